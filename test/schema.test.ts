import t from 'tap';
import { Type as TypeBox } from 'typebox';
import { Type } from '../src/schema.js';

/** The same schema, made by `by`. */
function everyKind(by: typeof Type): object {
  return by.Object(
    {
      text: by.String({ minLength: 1, description: 'words' }),
      count: by.Optional(by.Integer({ minimum: 0, default: 3 })),
      share: by.Number({ exclusiveMinimum: 0 }),
      is: by.Boolean(),
      list: by.Optional(by.Array(by.Union([by.String(), by.Null()]), { maxItems: 3 })),
      form: by.Union([by.Literal('plain'), by.Literal(2), by.Literal(true)], { default: 'plain' }),
      named: by.Record(by.String(), by.Integer(), { maxProperties: 2 }),
      all: by.Object({ one: by.Optional(by.String()) }, { additionalProperties: false }),
      none: by.Object({}),
      own: by.Optional(by.Unsafe<string | null>({ type: ['string', 'null'], pattern: '^a' })),
      given: by.Unsafe<number>(by.Optional(by.Integer())),
    },
    { description: 'all of it' },
  );
}

t.test('a schema is the one that TypeBox makes', async (t) => {
  t.strictSame(JSON.parse(JSON.stringify(everyKind(Type))), JSON.parse(JSON.stringify(everyKind(TypeBox))));
  t.match(everyKind(Type), {
    required: ['text', 'share', 'is', 'form', 'named', 'all', 'none'],
    properties: { count: { type: 'integer', minimum: 0, default: 3 }, all: { additionalProperties: false } },
  });
});
