/** A command line that is wrong. The text is shown to the person who typed it, and the exit code is 2. */
export class WrongUse extends Error {
  override readonly name = 'WrongUse';
}
