"""Makes structure sets and segmentations of every odd kind with pydicom, works out their masks with NumPy alone, and compares those of a running
service with them, pixel for pixel:

    python3 scripts/contours-peer.py make FOLDER
    npx slicefeed serve --data FOLDER --port 8080
    python3 scripts/contours-peer.py check FOLDER http://127.0.0.1:8080
"""
import io
import json
import math
import pickle
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

ROWS, COLUMNS, BETWEEN_ROWS, BETWEEN_COLUMNS, GAP = 40, 48, 1.3, 0.7, 3
CT, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
STRUCTURES, SEGMENTS = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"


def decimals(values):
    """As they will be read: DS has 16 characters."""
    return [float(f"{value:.10g}") for value in values]


class Stack:
    """Six oblique, anisotropic planes; `tilted`: each further along z and not along the normal, as of a CT whose gantry is tilted."""

    def __init__(self, seed, tilted=False):
        random = np.random.default_rng(seed)
        along = random.normal(size=3)
        along /= np.linalg.norm(along)
        down = random.normal(size=3)
        down -= along * (along @ down)
        down /= np.linalg.norm(down)
        if tilted:
            along, down = np.array([1.0, 0, 0]), np.array([0, math.cos(0.3), -math.sin(0.3)])
        step = np.array([0, 0, GAP]) if tilted else np.cross(along, down) * GAP
        self.orientation = decimals([*along, *down])
        self.along, self.down = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        self.normal = np.cross(self.along, self.down)
        first = random.normal(size=3) * 50
        self.positions = [np.array(decimals(first + step * plane)) for plane in range(6)]

    def point(self, plane, x, y, off=0):
        across = self.along * BETWEEN_COLUMNS * x + self.down * BETWEEN_ROWS * y
        return self.positions[plane] + across + self.normal * off


def filled(polygons, how):
    """Pixels whose centre is inside: a ray crosses the polygon an odd number of times, edges half-open."""
    mask = np.zeros((ROWS, COLUMNS), bool)
    x, y = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    for points in polygons:
        inside = np.zeros_like(mask)
        for (xi, yi), (xj, yj) in zip(points, [points[-1], *points[:-1]]):
            with np.errstate(divide="ignore", invalid="ignore"):
                inside ^= ((yi > y) != (yj > y)) & (x < (xj - xi) * (y - yi) / (yj - yi) + xi)
        mask = mask ^ inside if how == "xor" else mask | inside
    return mask


def blob(seed, x, y, radius, count=23):
    random = np.random.default_rng(seed)
    turns = np.sort(random.uniform(0, 2 * math.pi, count))
    return [(x + r * math.cos(t), y + r * math.sin(t)) for r, t in zip(radius * random.uniform(0.7, 1.2, count), turns)]


class Study:
    """Images of a stack, single or as frames of one file, and what is drawn on them with the masks that are wanted."""

    def __init__(self, folder, name, stack, is_multi, wanted):
        from pydicom.uid import generate_uid

        self.folder, self.name, self.stack, self.is_multi, self.wanted = folder, name, stack, is_multi, wanted
        self.study, self.series, self.space = generate_uid(), generate_uid(), generate_uid()
        pixels = np.random.default_rng(0).integers(0, 900, (6, ROWS, COLUMNS)).astype("<u2")
        if is_multi:
            image = self.image(ENHANCED_CT, pixels)
            image.NumberOfFrames = 6
            image.SharedFunctionalGroupsSequence = [self.grid(stack.orientation, BETWEEN_ROWS, BETWEEN_COLUMNS)]
            image.PerFrameFunctionalGroupsSequence = [self.place(position) for position in stack.positions]
            self.uids = [self.save(image, name)]
            return
        self.uids = []
        for plane, position in enumerate(stack.positions):
            image = self.image(CT, pixels[plane])
            image.InstanceNumber = plane + 1
            image.ImagePositionPatient, image.ImageOrientationPatient = list(position), stack.orientation
            image.PixelSpacing = [BETWEEN_ROWS, BETWEEN_COLUMNS]
            self.uids.append(self.save(image, f"{name}-{plane}"))

    def made(self, kind, modality):
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, generate_uid

        made = Dataset()
        made.file_meta = FileMetaDataset()
        made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = kind
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.is_little_endian, made.is_implicit_VR = True, False
        made.SpecificCharacterSet, made.PatientID, made.Modality = "ISO_IR 192", "x", modality
        made.StudyInstanceUID, made.SeriesInstanceUID = self.study, generate_uid()
        made.FrameOfReferenceUID = self.space
        return made

    def described(self, made, rows, columns, bits):
        made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
        made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = bits, bits, bits - 1, 0
        return made

    def image(self, kind, pixels):
        image = self.described(self.made(kind, "CT"), ROWS, COLUMNS, 16)
        image.SeriesInstanceUID, image.PixelData = self.series, pixels.tobytes()
        return image

    def save(self, made, name):
        made.save_as(str(self.folder / f"{name}.dcm"), write_like_original=False)
        return made.SOPInstanceUID

    def items(self, **values):
        from pydicom.dataset import Dataset

        item = Dataset()
        for name, value in values.items():
            setattr(item, name, value)
        return item

    def grid(self, orientation, rows, columns):
        return self.items(
            PlaneOrientationSequence=[self.items(ImageOrientationPatient=list(orientation))],
            PixelMeasuresSequence=[self.items(PixelSpacing=[rows, columns])],
        )

    def place(self, position):
        return self.items(PlanePositionSequence=[self.items(ImagePositionPatient=decimals(position))])

    def reference(self, plane):
        named = self.items(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=self.uids[0 if self.is_multi else plane])
        if self.is_multi:
            named.ReferencedFrameNumber = plane + 1
        return named

    def want(self, plane, structure, mask, holes="standard"):
        self.wanted.append((self.study, plane, structure, holes, mask))

    def structures(self, rois, has_own_study):
        from pydicom.uid import generate_uid

        made = self.made(STRUCTURES, "RTSTRUCT")
        if has_own_study:
            made.StudyInstanceUID = generate_uid()
        made.StructureSetROISequence, made.ROIContourSequence = [], []
        for number, (name, contours) in enumerate(rois, 1):
            made.StructureSetROISequence.append(
                self.items(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=self.space)
            )
            drawn = []
            for kind, plane, points, off, named in contours:
                places = [self.stack.point(plane, x, y, off) for x, y in points]
                contour = self.items(
                    ContourGeometricType=kind,
                    NumberOfContourPoints=len(points),
                    ContourData=[f"{value:.9g}"[:16] for place in places for value in place],
                )
                if named == "gone":
                    contour.ContourImageSequence = [
                        self.items(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.3.4.5.6")
                    ]
                elif named:
                    contour.ContourImageSequence = [self.reference(plane)]
                drawn.append(contour)
            made.ROIContourSequence.append(self.items(ReferencedROINumber=number, ContourSequence=drawn))
        self.save(made, f"{self.name}-rt")

    def segments(self, name, kind, segments, frames, orientation, spacing, bits=1, **more):
        """Frames: segment, position, values, plane that is named or None."""
        rows, columns = frames[0][2].shape
        made = self.described(self.made(LABEL_MAP if kind == "LABELMAP" else SEGMENTS, "SEG"), rows, columns, bits)
        made.SegmentationType, made.NumberOfFrames = kind, len(frames)
        for tag, value in more.items():
            setattr(made, tag, value)
        made.SegmentSequence = [
            self.items(SegmentNumber=number, SegmentLabel=label, SegmentAlgorithmType="MANUAL") for number, label in segments
        ]
        made.SharedFunctionalGroupsSequence = [self.grid(decimals(orientation), *spacing)]
        made.PerFrameFunctionalGroupsSequence = []
        for segment, position, _, named in frames:
            group = self.place(position)
            if segment is not None:
                group.SegmentIdentificationSequence = [self.items(ReferencedSegmentNumber=segment)]
            if named is not None:
                group.DerivationImageSequence = [self.items(SourceImageSequence=[self.reference(named)])]
            made.PerFrameFunctionalGroupsSequence.append(group)
        values = np.stack([values for _, _, values, _ in frames])
        packed = np.packbits(values.astype("u1").ravel(), bitorder="little") if bits == 1 else values.astype(f"<u{bits // 8}")
        data = packed.tobytes()
        made.PixelData = data + b"\0" * (len(data) % 2)
        self.save(made, f"{self.name}-{name}")


def draw_contours(study, has_own_study):
    ring, hole, island = blob(1, 24, 20, 15), blob(2, 24, 20, 6), blob(3, 24, 20, 2.5, 9)
    corner, outside, plain = blob(4, 2, 3, 9), blob(5, -40, -30, 6), blob(6, 30, 25, 10)
    keyhole = [*ring, ring[0], *hole[::-1], hole[-1]]
    closed, xor = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
    study.structures(
        [
            ("Ring closed", [(closed, 0, ring, 0, True), (closed, 0, hole, 0, True)]),
            ("Ring/xor", [(xor, 1, points, 0, True) for points in (ring, hole, island)]),
            ("Schlüsselloch µ", [(closed, 2, keyhole, 0, True)]),
            ("", [(closed, 3, plain, 0, True)]),
            (
                "odd ones",
                [
                    ("POINT", 3, [(5, 5)], 0, True),
                    ("OPEN_PLANAR", 3, plain, 0, True),
                    (closed, 3, [(1, 1), (9, 9)], 0, True),
                    (closed, 3, corner, 0, True),
                    (closed, 3, outside, 0, True),
                ],
            ),
            ("off by 0.05", [(closed, 4, plain, 0.05, False)]),
            ("off by 0.2, named", [(closed, 4, plain, 0.2, True)]),
            ("off by 0.2", [(closed, 4, plain, 0.2, False)]),
            ("between", [(closed, 4, plain, GAP / 2, False)]),
            ("twin", [(closed, 5, ring, 0, True)]),
            ("twin", [(closed, 5, corner, 0, True)]),
            ("image gone", [(closed, 5, plain, 0, "gone")]),
        ],
        has_own_study,
    )
    study.want(0, "Ring closed", filled([ring, hole], "union"))
    study.want(0, "Ring closed", filled([ring, hole], "xor"), "xor")
    study.want(1, "Ring/xor", filled([ring, hole, island], "xor"))
    study.want(1, "Ring/xor", filled([ring, hole, island], "union"), "union")
    study.want(2, "Schlüsselloch µ", filled([keyhole], "union"))
    study.want(3, "roi-4", filled([plain], "union"))
    study.want(3, "odd ones", filled([corner], "union"))
    for name in ("off by 0.05", "off by 0.2, named"):
        study.want(4, name, filled([plain], "union"))
    for name in ("off by 0.2", "between"):
        study.want(4, name, None)
    study.want(5, "twin", filled([ring, corner], "union"))
    study.want(5, "image gone", filled([plain], "union"))


def draw_segments(study, random):
    stack, spacing = study.stack, (BETWEEN_ROWS, BETWEEN_COLUMNS)
    bits = lambda rows, columns: random.integers(0, 2, (rows, columns))
    values = random.integers(0, 254, (2, ROWS, COLUMNS))
    frames = [(1, stack.positions[0], values[0], 0), (1, stack.positions[3], values[1], None)]
    whole = {"MaximumFractionalValue": 253, "SegmentationFractionalType": "PROBABILITY"}
    study.segments("fractional", "FRACTIONAL", [(1, "frac")], frames, stack.orientation, spacing, 8, **whole)
    study.want(0, "frac", values[0] >= 253 / 2)
    study.want(3, "frac", values[1] >= 253 / 2)
    labels = random.choice([0, 1, 300, 65535, 7], (2, ROWS, COLUMNS))
    frames = [(None, stack.positions[1], labels[0], None), (None, stack.positions[2], labels[1], 2)]
    named = [(1, "one"), (300, "three/hundred"), (65535, "last")]
    study.segments("labels", "LABELMAP", [*named, (2, "unused")], frames, stack.orientation, spacing, 16)
    for at in (0, 1):
        for number, name in named:
            study.want(1 + at, name, labels[at] == number)
    turned = bits(ROWS, COLUMNS)
    far = stack.point(4, COLUMNS - 1, ROWS - 1)
    study.segments("flipped", "BINARY", [(1, "flip")], [(1, far, turned, 4)], [-v for v in stack.orientation], spacing)
    study.want(4, "flip", turned[::-1, ::-1] > 0)
    turned = bits(COLUMNS, ROWS)
    exchanged = [*stack.down, *stack.along]
    study.segments("turned", "BINARY", [(1, "turn")], [(1, stack.positions[4], turned, 4)], exchanged, spacing[::-1])
    study.want(4, "turn", turned.T > 0)
    coarse, twice = bits(ROWS // 2, COLUMNS // 2), (2 * BETWEEN_ROWS, 2 * BETWEEN_COLUMNS)
    place = stack.point(5, 0.5, 0.5)
    frames = [(1, place, coarse, None), (2, place, coarse[::-1], None)]
    study.segments("coarse", "BINARY", [(1, "coarse"), (2, "coarse")], frames, stack.orientation, twice)
    study.want(5, "coarse", np.kron(coarse | coarse[::-1], np.ones((2, 2))) > 0)
    between = [(1, stack.point(2, 0, 0, GAP / 2), bits(ROWS, COLUMNS), None)]
    study.segments("between", "BINARY", [(1, "between")], between, stack.orientation, spacing)
    study.want(2, "between", None)


def make(folder):
    folder.mkdir(parents=True)
    wanted = []
    draw_contours(Study(folder, "oblique", Stack(3), False, wanted), False)
    draw_contours(Study(folder, "tilted", Stack(4, tilted=True), False, wanted), True)
    draw_contours(Study(folder, "frames", Stack(5), True, wanted), False)
    random = np.random.default_rng(1)
    draw_segments(Study(folder, "segments", Stack(7), False, wanted), random)
    draw_segments(Study(folder, "segment-frames", Stack(8), True, wanted), random)
    (folder / ".wanted").write_bytes(pickle.dumps(wanted))
    print(f"{len(wanted)} masks are wanted")


def check(folder, url):
    def get(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(url + path, data, {"content-type": "application/json"})).read()

    differing, wanted, slices = 0, pickle.loads((folder / ".wanted").read_bytes()), {}
    for study, plane, structure, holes, mask in wanted:
        if study not in slices:
            pairs = json.loads(get(f"/v1/studies/{study}/pairs?all=1&limit=1000"))["pairs"]
            slices[study] = [pair["slice"] for pair in pairs]
        query = urllib.parse.urlencode({"structures": structure, "format": "npz"})
        path = f"/v1/studies/{study}/pairs/{slices[study][plane]}?{query}"
        if holes != "standard":
            spec = {"studies": [study], "structures": [structure], "mask": {"holes": holes}, "batchSize": 1}
            path = f"/v1/sessions/{json.loads(get('/v1/sessions', spec))['id']}/batches/0?format=npz"
        try:
            given = np.load(io.BytesIO(get(path)))["masks"][0, 0]
        except urllib.error.HTTPError as error:
            given = None
            if mask is not None:
                print(f"{structure} on {plane}: {error.code}")
        is_same = (given is None or not given.any()) if mask is None else given is not None and (given == mask).all()
        if not is_same:
            differing += 1
            print(f"{structure} on {plane}, holes {holes}: another mask")
    print(f"{differing} of {len(wanted)} masks differ")
    return differing


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        sys.exit(1 if check(Path(sys.argv[2]), sys.argv[3].rstrip("/")) else 0)
    else:
        sys.exit(__doc__)
