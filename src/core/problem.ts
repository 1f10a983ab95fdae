/** Every problem code of the catalogue, with what it means to the person who reads it. */
export const PROBLEMS = {
  NOT_DICOM: 'The file is not DICOM: no Part 10 preamble and no data set that starts like one',
  HEADER_BROKEN: 'The header ends early or contradicts itself',
  HEADER_TOO_LARGE: 'The part before the pixels is larger than the limit',
  NO_PIXELS: 'The file has no pixel data',
  NOT_AN_IMAGE: 'The file is a DICOM object with pixel data that is no image',
  SLICE_TWICE: 'Two files hold the same image (one SOPInstanceUID); one of them is used',
  PIXELS_UNSUPPORTED: 'The pixel description is one that this release does not read',
  TRANSFER_SYNTAX_UNSUPPORTED: 'The transfer syntax is one that this release does not read',
  PIXELS_SHORT: 'The pixel data is shorter than rows × columns × samples × frames ask for',
  PIXELS_LONG:
    'The pixel data is longer than the image; what is over is not read, and a file whose frames could begin elsewhere is left out',
  PIXELS_PACKING:
    'Frames of single bits may lie with or without a fill between them, and neither their length nor their bits tell; they are read without one, as DICOM has them',
  PIXELS_DAMAGED:
    'A compressed frame lacks its end, or its decoder warns of it; all its samples are there, and may be wrong where it is damaged',
  VALUE_RANGE: 'A value does not fit the element type asked for',
  TRANSFER_SYNTAX_ODD: 'The data set is not encoded as the file says; it was read as it is encoded',
  HEADER_REPAIRED: 'A missing or odd attribute of the header was replaced',
  RESCALE_INVALID:
    'The rescale slope or intercept is not a usable number; stored values are used as they are',
  MODALITY_LUT: 'A modality or VOI table of the file cannot be used; values are what they are without it',
  SCALING_NOT_USED:
    'The file holds another scaling of its values (to real-world values, or a private one) that is not used; values are those of its rescale',
  POSITION_INVALID:
    'The position or orientation of an image cannot be read; it is taken as unknown, and no contour is placed on it by coordinates',
  MOSAIC:
    'The image is a mosaic: several slices as tiles of one image, without their places; no contour is placed on it by coordinates',
  SLICE_ORDER: 'The order of the slices of a series does not follow from their places alone',
  SPACING_INVALID: 'The pixel spacing is not two positive numbers; it is taken as unknown',
  SPACING_AT_DETECTOR:
    'Only the spacing at the detector is known, which is that of the pixels times the magnification',
  IDENTIFIER_LONG: 'An identifier is longer than 64 characters; it was shortened',
  LIMIT_EXCEEDED: 'A dimension or a size is over its limit',
  FILE_UNREADABLE: 'The file could not be opened or read',
  FOLDER_TWICE: 'Several ways (links, mounts) lead to a folder; its files are read under one path',
  NAME_NOT_UTF8: 'The name of a file or folder is not UTF-8; the file or folder is left out',
  LOADER_ENDED: 'Reading the file twice ended its loader, alone: by a crash, its time or its memory',
  CONTOUR_NOT_A_NUMBER: 'A line of the contour does not hold two numbers',
  NOT_A_CONTOUR: 'The text is no contour: its first line does not hold two numbers; it is left out',
  CONTOUR_BLANK_LINE: 'A blank line inside the contour; the contour is used without it',
  CONTOUR_TOO_FEW_POINTS: 'The contour has fewer than 3 points',
  CONTOUR_TOO_MANY_POINTS: 'The contour has more points than the limit',
  CONTOUR_OUTSIDE:
    'A contour or frame leaves its image: the mask is clipped, or the contour is left out if no part of it is on the image',
  CONTOUR_WITHOUT_IMAGE: 'The contour names an image that is not there',
  CONTOUR_NAME: 'A file beside the contours whose name does not say slice and structure',
  CONTOUR_TWICE:
    'Two files describe the same structure, of the same slice or of one series; the first is used unless a request chooses another',
  NO_CONTOURS: 'A structure set or segmentation of which nothing can be used on the images of its study',
  CONTOUR_EMPTY:
    'A contour encloses nothing: its points lie on one line, or it cancels itself or the others of its ROI; it is left out',
  CONTOUR_OPEN: 'A contour that is a point or not closed encloses nothing; it is left out',
  CONTOUR_TYPE: 'A contour whose geometric type is missing or unknown is left out',
  CONTOUR_POINT_COUNT: 'A contour says another number of points than it has; those it has are used',
  CONTOUR_OFF_PLANE:
    'A contour or frame lies off the plane of the image that it names: it goes where it lies, or is left out where no image lies',
  FRAME_NOT_NAMED:
    'A contour or frame names an image of several frames without saying which frame: its plane decides, or it is left out',
  CONTOUR_WITHOUT_PLACE:
    'A contour or frame lies in the plane of no image of its frame of reference; it is left out',
  CONTOUR_NESTED:
    'A CLOSED_PLANAR contour lies inside another one of its ROI: with `mask.holes` standard or union it adds nothing, with xor it is a hole',
  ROI_UNKNOWN: 'The contours of an ROI whose number the structure set does not define are left out',
  ROI_NUMBER_TWICE:
    'Several ROIs of a structure set have one number: they are told apart by the order of both sequences if that is certain, else left out',
  SEGMENT_NUMBER_TWICE:
    'Several segments of a segmentation have one number: nothing tells whose the pixels are, so the segments are left out',
  SEGMENT_UNKNOWN:
    'A frame or pixel of a segmentation belongs to a segment that it does not define; it is left out',
  SEGMENT_BELOW_THRESHOLD:
    'No pixel of a FRACTIONAL segment reaches `SLICEFEED_SEGMENT_THRESHOLD` of MaximumFractionalValue; it is no structure',
  SEGMENTATION_GRID:
    'The pixels of a segmentation lie elsewhere than those of its image: they are taken by the nearest, or left out where nothing says how they lie',
  STRUCTURE_NAME: 'An ROI or segment has no name, or the name of another one of its file',
  CONTOUR_AMBIGUOUS:
    'More than one image or study could be the one that a contour was drawn on; none is taken',
  NO_IMAGES: 'The folder holds no image',
  LINK_TABLE: 'The link table is missing, unreadable or has other columns',
  LINK_ROW: 'A row of the link table names a folder that is not there, or one that is named twice',
  PATIENTS_MIXED:
    'Images of several patients have one StudyInstanceUID, or lie in one folder of the challenge; a split never parts a patient',
  STUDY_TWICE: 'Two studies have one id; the first is used',
  STRUCTURE_MISSING: 'The slice has no contour of a structure that was asked for; its mask is empty',
  STRUCTURE_UNUSABLE:
    'A structure is, or may be, drawn on slices and cannot be used there in full: sessions that ask for it leave those slices out',
  FILE_NOT_PAIRED: 'The file belongs to no image of the upload',
  IMAGE_NAME: 'A file beside the images whose name does not say its number',
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing that was left out or is odd, and why. `file` is relative to its source; no value of an element is in `detail`. */
export interface Problem {
  readonly code: ProblemCode;
  readonly file: string | null;
  readonly detail: string;
}
