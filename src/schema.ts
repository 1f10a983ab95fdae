import type { Type as TypeBox } from 'typebox';

type Factory = Pick<
  typeof TypeBox,
  | 'Array'
  | 'Boolean'
  | 'Integer'
  | 'Literal'
  | 'Null'
  | 'Number'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'String'
  | 'Union'
  | 'Unsafe'
>;

const optional = new WeakSet<object>();

function markOptional(schema: object): object {
  optional.add(schema);
  return schema;
}

const requiredOf = (properties: Record<string, object>) =>
  Object.keys(properties).filter((name) => !optional.has(properties[name]!));

const plain = {
  Array: (items: object, options?: object) => ({ type: 'array', items, ...options }),
  Boolean: (options?: object) => ({ type: 'boolean', ...options }),
  Integer: (options?: object) => ({ type: 'integer', ...options }),
  Literal: (value: unknown, options?: object) => ({ type: typeof value, const: value, ...options }),
  Null: (options?: object) => ({ type: 'null', ...options }),
  Number: (options?: object) => ({ type: 'number', ...options }),
  Object(properties: Record<string, object>, options?: object) {
    const required = requiredOf(properties);
    return { type: 'object', ...(required.length > 0 ? { required } : {}), properties, ...options };
  },
  Optional: (schema: object) => markOptional({ ...schema }),
  Record: (_key: object, value: object, options?: object) => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options,
  }),
  String: (options?: object) => ({ type: 'string', ...options }),
  Union: (anyOf: readonly object[], options?: object) => ({ anyOf, ...options }),
  Unsafe: (schema: object) => (optional.has(schema) ? markOptional({ ...schema }) : { ...schema }),
};

/**
 * Makes JSON schemas with TypeBox's types; a `Record` has text for its keys. TypeBox itself gives the types alone: it is
 * hundreds of modules, and loading them was a fifth of what a start of the service took.
 */
export const Type = plain as unknown as Factory;
