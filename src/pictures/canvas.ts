import type { Colour } from './palette.js';

/** The largest picture, in pixels: 4096 × 4096. Its RGB bytes are 48 MiB. */
export const MAX_PICTURE_PIXELS = 16 * 1024 * 1024;

/** An RGB picture, 8 bits a sample, row-major; what is drawn outside of it is cut off. */
export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;

  /** All pixels start as `background`. A RangeError where the picture is over MAX_PICTURE_PIXELS. */
  constructor(width: number, height: number, background: Colour = [0, 0, 0]) {
    if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
      throw new RangeError(`a picture of ${width} × ${height} pixels: both must be whole and above 0`);
    }
    if (width * height > MAX_PICTURE_PIXELS) {
      throw new RangeError(
        `a picture of ${width} × ${height} = ${width * height} pixels is over the limit of ${MAX_PICTURE_PIXELS}`,
      );
    }
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(width * height * 3);
    this.fill(0, 0, width, height, background);
  }

  set(x: number, y: number, colour: Colour): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const at = (y * this.width + x) * 3;
    this.data[at] = colour[0];
    this.data[at + 1] = colour[1];
    this.data[at + 2] = colour[2];
  }

  fill(x: number, y: number, width: number, height: number, colour: Colour): void {
    const right = Math.min(x + width, this.width);
    const bottom = Math.min(y + height, this.height);
    for (let row = Math.max(y, 0); row < bottom; row++) {
      for (let column = Math.max(x, 0); column < right; column++) this.set(column, row, colour);
    }
  }

  /** The one-pixel border of a rectangle, inside of it. */
  frame(x: number, y: number, width: number, height: number, colour: Colour): void {
    this.fill(x, y, width, 1, colour);
    this.fill(x, y + height - 1, width, 1, colour);
    this.fill(x, y, 1, height, colour);
    this.fill(x + width - 1, y, 1, height, colour);
  }

  /** Both diagonals of a rectangle, corner to corner. */
  cross(x: number, y: number, width: number, height: number, colour: Colour): void {
    const steps = Math.max(width, height) - 1;
    for (let step = 0; step <= steps; step++) {
      const share = steps === 0 ? 0 : step / steps;
      const across = Math.round(share * (width - 1));
      const down = Math.round(share * (height - 1));
      this.set(x + across, y + down, colour);
      this.set(x + width - 1 - across, y + down, colour);
    }
  }
}
