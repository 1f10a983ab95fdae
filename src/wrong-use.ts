/** A command that was typed wrong; the text is told to the person who typed it, and the exit code is 2. */
export class WrongUse extends Error {
  override readonly name = 'WrongUse';
}
