"""A trainer's side of the wire: reads batches into memory of its own and makes tensors of them in place.

One JSON command a line on stdin, one JSON answer a line on stdout. Every body is read with `readinto` into one of two
buffers that are used in turn, its tensors are views of that buffer, and every byte of images and masks is summed.
Sums are of little-endian 64-bit words, modulo 2**64, so that the order of the batches does not count.
"""
import json
import math
import os
import socket
import sys
import time

try:
    import torch

    torch.set_num_threads(1)
    TYPES = {
        "BOOL": torch.bool,
        "U8": torch.uint8,
        "I16": torch.int16,
        # Of the torch versions that lack uint16: the same bits.
        "U16": torch.int16,
        "I32": torch.int32,
        "I64": torch.int64,
        "F16": torch.float16,
        "F32": torch.float32,
        "F64": torch.float64,
    }
except ImportError:
    torch = None

SUMMED = ("images", "masks")


class Connection:
    """One keep-alive connection; a body goes straight to where it is wanted."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def ask(self, path, method="GET", body=b""):
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def head(self):
        """Reads the status and the headers; the length of the body, None where it is chunked."""
        status = int(self.file.readline().split(None, 2)[1])
        length = None
        for line in iter(self.file.readline, b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        if status not in (200, 201):
            raise SystemExit(f"the answer has status {status}")
        return length

    def body(self, length, into):
        """Reads a body to its end; answers its size."""
        if length is not None:
            return self.exactly(into[:length])
        at = 0
        while size := int(self.file.readline(), 16):
            at += self.exactly(into[at : at + size])
            self.file.readline()
        self.file.readline()
        return at

    def exactly(self, view):
        if self.file.readinto(view) != len(view):
            raise SystemExit("the connection closed within a body")
        return len(view)

    def close(self):
        self.file.close()
        self.socket.close()


class Chunks:
    """A chunked answer as one run of bytes, whatever the chunks are."""

    def __init__(self, connection):
        self.connection = connection
        self.left = 0

    def exactly(self, view):
        at = 0
        while at < len(view):
            if self.left == 0:
                self.left = int(self.connection.file.readline(), 16)
                if self.left == 0:
                    raise SystemExit("the stream ended early")
            part = min(self.left, len(view) - at)
            at += self.connection.exactly(view[at : at + part])
            self.left -= part
            if self.left == 0:
                self.connection.file.readline()


buffers = [bytearray(0), bytearray(0)]


def buffer_for(step, room):
    """One of the two buffers; what it held two steps ago is overwritten."""
    if len(buffers[step % 2]) < room:
        buffers[step % 2] = bytearray(b"\1") * room
    return buffers[step % 2]


def tensors_of(buffer):
    """The tensors of a safetensors body, views of the buffer that it lies in."""
    start = 8 + int.from_bytes(buffer[:8], "little")
    header = json.loads(buffer[8:start])
    del header["__metadata__"]
    return {name: tensor_of(buffer, start, entry) for name, entry in header.items()}


def tensor_of(buffer, start, entry):
    first, last = entry["data_offsets"]
    shape = entry["shape"]
    if torch is None:
        return shape, memoryview(buffer)[start + first : start + last]
    tensor = torch.frombuffer(buffer, dtype=TYPES[entry["dtype"]], count=math.prod(shape), offset=start + first)
    return shape, tensor.view(shape)


def total(tensor):
    """The sum of a tensor's bytes as 64-bit words."""
    if torch is None:
        return sum(tensor.cast("q" if tensor.nbytes % 8 == 0 else "b"))
    flat = tensor.view(-1).view(torch.uint8)
    return int((flat.view(torch.int64) if flat.numel() % 8 == 0 else flat).sum())


class Sums:
    def __init__(self):
        self.bytes = self.pairs = 0
        self.sums = dict.fromkeys(SUMMED, 0)

    def add(self, buffer, size):
        tensors = tensors_of(buffer)
        self.bytes += size
        self.pairs += tensors["images"][0][0]
        for name in SUMMED:
            self.sums[name] += total(tensors[name][1])

    def answer(self, seconds):
        words = {name: f"{value % 2**64:016x}" for name, value in self.sums.items()}
        return {"seconds": seconds, "bytes": self.bytes, "pairs": self.pairs, **words}


def open_session(connection, opening):
    connection.ask(opening["path"], "PUT", json.dumps(opening["body"]).encode())
    connection.body(connection.head(), memoryview(bytearray(1 << 20)))


def asked(connection, path, first, last, room):
    """Batches `first` to `last` (exclusive), each by a request of its own: the buffer that it lies in and its size."""
    for step in range(first, last):
        buffer = buffer_for(step, room)
        connection.ask(f"{path}{step}")
        yield buffer, connection.body(connection.head(), memoryview(buffer))


def asked_ahead(connection, path, first, last, room):
    """The same, the request for the next one sent before a batch is handed on (RFC 9112, section 9.3.2, pipelining)."""
    connection.ask(f"{path}{first}")
    for step in range(first, last):
        buffer = buffer_for(step, room)
        size = connection.body(connection.head(), memoryview(buffer))
        if step + 1 < last:
            connection.ask(f"{path}{step + 1}")
        yield buffer, size


def read(port, path, first, last, room, opening=None):
    """Batches one by one; with `opening`, a session is opened first, within the time."""
    connection, sums = Connection(port), Sums()
    started = time.perf_counter()
    if opening:
        open_session(connection, opening)
    for buffer, size in asked(connection, path, first, last, room):
        sums.add(buffer, size)
    seconds = time.perf_counter() - started
    connection.close()
    return sums.answer(seconds)


def bodies_of(connection, path, count, room):
    """`count` bodies out of one answer, likewise."""
    connection.ask(path)
    connection.head()
    chunks = Chunks(connection)
    for step in range(count):
        buffer = buffer_for(step, room)
        view = memoryview(buffer)
        chunks.exactly(view[:8])
        start = 8 + int.from_bytes(view[:8], "little")
        chunks.exactly(view[8:start])
        header = json.loads(buffer[8:start])
        end = start + max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
        chunks.exactly(view[start:end])
        yield buffer, end


def stream(port, path, count, room, opening=None):
    """`count` bodies out of one answer; `opening` as for `read`."""
    connection, sums = Connection(port), Sums()
    started = time.perf_counter()
    if opening:
        open_session(connection, opening)
    for buffer, size in bodies_of(connection, path, count, room):
        sums.add(buffer, size)
    seconds = time.perf_counter() - started
    connection.close()
    return sums.answer(seconds)


def waits_of(bodies, step_ms):
    """What a reader waits for each body that works `step_ms` on each, here asleep: in ms, and from when to when in ns of the system's clock."""
    spans, began = [], time.perf_counter_ns()
    for buffer, _ in bodies:
        spans.append((began, time.perf_counter_ns()))
        tensors_of(buffer)
        time.sleep(step_ms / 1000)
        began = time.perf_counter_ns()
    return {"waitsMs": [(end - begin) / 1e6 for begin, end in spans], "spans": spans}


WAYS = {"asked": asked, "ahead": asked_ahead, "stream": bodies_of}


def pace(port, path, way, room, stepMs, **steps):
    """A paced reader that comes by its batches in one of the ways."""
    connection = Connection(port)
    answer = waits_of(WAYS[way](connection, path, room=room, **steps), stepMs)
    connection.close()
    return answer


def many(port, paths, first, last, room):
    """One session a path, each over a connection of its own, each asking for its next batch as soon as it took one."""
    connections, sums = [Connection(port) for _ in paths], Sums()
    started = time.perf_counter()
    for connection, path in zip(connections, paths):
        connection.ask(f"{path}{first}")
    for step in range(first, last):
        for turn, (connection, path) in enumerate(zip(connections, paths)):
            buffer = buffer_for(turn, room)
            sums.add(buffer, connection.body(connection.head(), memoryview(buffer)))
            if step + 1 < last:
                connection.ask(f"{path}{step + 1}")
    seconds = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return sums.answer(seconds)


CORES = sorted(os.sched_getaffinity(0))


def place(cores):
    """Has the first thread of each process, by its id, run on the so-many-eth core of this one, or on any of them (None)."""
    for pid, at in cores.items():
        os.sched_setaffinity(int(pid), CORES if at is None else [CORES[at]])
    return {}


def versions():
    return {"python": sys.version.split()[0], "torch": torch.__version__ if torch else None}


if __name__ == "__main__":
    commands = {"read": read, "stream": stream, "pace": pace, "many": many, "place": place, "versions": versions}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(commands[command.pop("do")](**command)), flush=True)
