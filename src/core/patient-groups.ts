/**
 * Joins patients that a study has together, and those that they have studies together with: returns for each of them one that stands
 * for all of its group, the first by code unit. `patientsOfStudies`: for each study its patients.
 */
export function joinPatients(patientsOfStudies: Iterable<readonly string[]>): ReadonlyMap<string, string> {
  const parents = new Map<string, string>();
  const rootOf = (patient: string): string => {
    let root = patient;
    for (let parent = parents.get(root); parent !== undefined; parent = parents.get(root)) root = parent;
    // Each that was passed points to the root from here on, so that long chains are walked once.
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
