/**
 * Joins patients that share a study, directly or through other patients. Returns for each of them the patient
 * that stands for the whole group, the first by code unit. `patientsOfStudies`: the patients of each study.
 */
export function joinPatients(patientsOfStudies: Iterable<readonly string[]>): ReadonlyMap<string, string> {
  const parents = new Map<string, string>();
  const rootOf = (patient: string): string => {
    let root = patient;
    for (let parent = parents.get(root); parent !== undefined; parent = parents.get(root)) root = parent;
    // Path compression: each passed patient points to the root, so that a long chain is walked once.
    for (let at = patient; at !== root; ) {
      const next = parents.get(at)!;
      parents.set(at, root);
      at = next;
    }
    return root;
  };
  for (const [first, ...others] of patientsOfStudies)
    for (const other of first === undefined ? [] : others) {
      const [a, b] = [rootOf(first), rootOf(other)];
      if (a !== b) parents.set(a < b ? b : a, a < b ? a : b);
    }
  return new Map([...parents.keys()].map((patient) => [patient, rootOf(patient)]));
}
