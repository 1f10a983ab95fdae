const FILES_PER_TASK = 32;
const BYTES_PER_TASK = 16 * 1024 * 1024;

/** Cuts files into tasks for loaders, in order: a large one is a task of its own, so that its time is its own as well. */
export function scanTasks<File extends { readonly sizeBytes: number }>(files: readonly File[]): File[][] {
  const tasks: File[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    const last = tasks[tasks.length - 1];
    if (last && last.length < FILES_PER_TASK && bytes + file.sizeBytes <= BYTES_PER_TASK) {
      last.push(file);
      bytes += file.sizeBytes;
    } else {
      tasks.push([file]);
      bytes = file.sizeBytes;
    }
  }
  return tasks;
}
