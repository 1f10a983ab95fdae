/** The normal of an image plane: the cross product of the direction cosines of a row and of a column (DICOM PS3.3, section C.7.6.2.1.1). */
export function normalOf(orientation: readonly number[]): [number, number, number] {
  const [rowX = 0, rowY = 0, rowZ = 0, columnX = 0, columnY = 0, columnZ = 0] = orientation;
  return [rowY * columnZ - rowZ * columnY, rowZ * columnX - rowX * columnZ, rowX * columnY - rowY * columnX];
}
