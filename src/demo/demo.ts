export async function demo(): Promise<boolean> {
  return true;
}
