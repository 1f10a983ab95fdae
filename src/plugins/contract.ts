interface Operation {
  readonly requestBody?: {
    required?: boolean;
    readonly content?: Readonly<Record<string, { readonly schema: { required?: string[] } }>>;
  };
}

interface Contract {
  readonly paths?: unknown;
  components?: object;
}

/** Moves schemas that have a title into `shared`, under that title, and leaves a reference to each. */
function shareTitled(node: unknown, shared: Record<string, unknown>): unknown {
  if (Array.isArray(node)) return node.map((each) => shareTitled(each, shared));
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, shareTitled(value, shared)]),
  );
  // A property of an object may be called `title` as well; its value is a schema, not a text.
  if (typeof copy.title !== 'string' || copy.type === undefined) return copy;
  shared[copy.title] ??= copy;
  return { $ref: `#/components/schemas/${copy.title}` };
}

/**
 * Finishes the OpenAPI document that the framework makes from the routes. A JSON body is optional: no body
 * means the same as an empty one, all defaults. A form has at least one file. Each schema with a title is
 * written once, so that generators of clients make one type of it.
 */
export function finishContract<Made extends Contract>(made: Made): Made {
  const { paths = {} } = made as { paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>> };
  for (const path of Object.values(paths))
    for (const { requestBody } of Object.values(path)) {
      const { 'application/json': json, 'multipart/form-data': form } = requestBody?.content ?? {};
      if (json) requestBody!.required = false;
      // Routes check no forms, whose parts are still arriving when the check would run.
      if (form) form.schema.required = ['file'];
    }
  const schemas: Record<string, unknown> = {};
  return {
    ...made,
    paths: shareTitled(paths, schemas),
    components: { ...made.components, schemas },
  };
}
