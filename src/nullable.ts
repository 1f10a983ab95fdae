import { type Static, type TSchema, Type } from 'typebox';

/** The same schema, which also takes null. */
export const orNull = <T extends TSchema>(schema: T) =>
  Type.Unsafe<Static<T> | null>({ ...schema, type: [(schema as { type?: string }).type, 'null'] });
