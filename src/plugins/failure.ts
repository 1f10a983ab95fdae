import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply } from 'fastify';
import plugin from 'fastify-plugin';
import { ERRORS, type ErrorCode, SlfError } from '../errors.js';
import { refuseRoom } from '../room.js';
import { Disconnected } from './disconnect.js';

/** A problem+json body (RFC 9457). */
interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly pair?: string;
  readonly file?: string;
  readonly field?: string;
}

interface Fault {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly params: Record<string, unknown>;
  readonly parentSchema?: { readonly properties?: Readonly<Record<string, unknown>> };
}

function fieldOf({ instancePath, params }: Fault): string {
  const inner = params.additionalProperty ?? params.missingProperty;
  return [...instancePath.split('/').slice(1), ...(typeof inner === 'string' ? [inner] : [])].join('.');
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** Says how a fault is to be mended, without the name of its field. */
function adviceOf({ keyword, params, message = 'is not usable', parentSchema }: Fault): string {
  if (Array.isArray(params.allowedValues)) return `must be one of: ${params.allowedValues.join(', ')}`;
  if (keyword === 'type')
    return `must be ${[params.type]
      .flat()
      .map((type) => TYPE_WORDS[String(type)] ?? type)
      .join(' or ')}`;
  if (keyword === 'required') {
    const missing = String(params.missingProperty);
    const { description } = (parentSchema?.properties?.[missing] ?? {}) as { description?: string };
    return `needs ${missing}${description === undefined ? '' : `: ${description}`}`;
  }
  return message;
}

/** The faults of a value that fits no alternative: the one inside of it, if an alternative fits but for that. */
function fromAlternatives(faults: readonly Fault[], field: string, depth: number): SlfError {
  const inner = faults.find(({ instancePath }) => instancePath.split('/').length > depth);
  if (inner)
    return new SlfError('SLF_INVALID', `${fieldOf(inner)} ${adviceOf(inner)}`, { field: fieldOf(inner) });
  const takes = faults.flatMap(({ keyword, params }) =>
    keyword === 'enum'
      ? (params.allowedValues as readonly unknown[]).map((value) => JSON.stringify(value))
      : keyword === 'type'
        ? [TYPE_WORDS[String(params.type)] ?? String(params.type)]
        : [],
  );
  return new SlfError('SLF_INVALID', `${field} must be ${takes.join(' or ')}`, { field });
}

/** How to write an unknown field that names a nested one with a dot; null for any other. */
function nestedHint(field: string, known: readonly string[]): string | null {
  const [outer = '', inner] = field.split('.');
  return inner !== undefined && known.includes(outer)
    ? `write {"${outer}": {"${inner}": …}}, a field of ${outer}`
    : null;
}

function fromValidation(faults: readonly Fault[], where: string): SlfError {
  const alternatives = faults.find(({ keyword }) => keyword === 'anyOf');
  if (alternatives) {
    const depth = alternatives.instancePath.split('/').length;
    return fromAlternatives(faults, fieldOf(alternatives), depth);
  }
  const fault = faults[0]!;
  const field = fieldOf(fault);
  const place = where === 'querystring' ? 'query' : where;
  if (fault.keyword === 'additionalProperties') {
    const known = Object.keys(fault.parentSchema?.properties ?? {});
    const hint = nestedHint(String(fault.params.additionalProperty), known);
    return new SlfError(
      'SLF_INVALID',
      `the ${place} has no field "${field}"; ${hint ?? `it takes ${known.join(', ') || 'none'}`}`,
      { field },
    );
  }
  const own = fault.instancePath.split('/').slice(1).join('.');
  const name = own === '' ? `the ${place}` : own;
  return new SlfError('SLF_INVALID', `${name} ${adviceOf(fault)}`, field === '' ? {} : { field });
}

/** Turns whatever was thrown into the error that is answered; what is not meant for callers becomes `SLF_INTERNAL`. */
export function answerTo(error: unknown): SlfError {
  if (error instanceof SlfError) return error;
  const room = refuseRoom(error);
  if (room) return room;
  const { validation, validationContext = 'body', code, statusCode, message } = error as FastifyError;
  if (validation) return fromValidation(validation as readonly Fault[], validationContext);
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new SlfError(
        'SLF_MEDIA_TYPE',
        `send JSON: curl -H 'content-type: application/json' -d '{"batchSize": 8}' URL; -d alone sends a form (curl 7.82 has --json for both)`,
      );
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new SlfError('SLF_TOO_LARGE', 'the body is over the limit of 1 MiB: send a shorter one');
    case 'FST_ERR_BAD_URL':
      return new SlfError('SLF_INVALID', 'the URL cannot be decoded: check its % signs');
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new SlfError(
        'SLF_INVALID',
        'the body is not valid JSON: check its quotes and commas. The names __proto__ and constructor are not allowed in it',
      );
    default:
      if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
        return new SlfError('SLF_INVALID', message);
      return new SlfError('SLF_INTERNAL', 'the log of the service says more under this request id');
  }
}

function documentOf(error: SlfError): ProblemDocument {
  const { retryAfterS: _, ...subject } = error.subject;
  return {
    type: `urn:slicefeed:error:${error.code}`,
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.detail,
    code: error.code,
    ...subject,
  };
}

/** No connection is free for a new one. */
export class TooManyConnections extends Error {
  override readonly name = 'TooManyConnections';
}

function answerToConnection(error: NodeJS.ErrnoException): SlfError {
  if (error instanceof TooManyConnections)
    return new SlfError('SLF_CONNECTIONS', 'all connections are in use: close some, or ask again', {
      retryAfterS: 1,
    });
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return new SlfError('SLF_HEAD_TOO_LARGE', 'the request line and headers together may have 16 KiB');
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new SlfError('SLF_TOO_SLOW', 'the request did not arrive in time');
  return new SlfError('SLF_INVALID', 'what was sent is not an HTTP request');
}

/** Answers what is no HTTP request (or one whose head is over 16 KiB), or comes when no connection is free, and closes the connection. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const answer = answerToConnection(error);
  const body = JSON.stringify(documentOf(answer));
  const head = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(answer.status === 503 ? [`Retry-After: ${answer.subject.retryAfterS ?? 1}`] : []),
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}

/** The error code of each answer, for metrics. */
export const codeOf = new WeakMap<object, ErrorCode>();

/** Sends an error as problem+json. */
export function sendProblem(reply: FastifyReply, error: SlfError): FastifyReply {
  codeOf.set(reply.raw, error.code);
  if (error.status === 503 || error.status === 429)
    reply.header('retry-after', String(error.subject.retryAfterS ?? 1));
  if (error.status === 401) reply.header('www-authenticate', 'Bearer realm="slicefeed"');
  return reply
    .code(error.status)
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(documentOf(error));
}

/** Every error as problem+json, in one place; what is the service's own fault is logged with its stack. */
export const failure = plugin(
  async (app) => {
    app.setErrorHandler((error, request, reply) => {
      if (error instanceof Disconnected) {
        request.log.info('the reader left before its answer was there');
        return reply.hijack();
      }
      const answer = answerTo(error);
      const { retryAfterS: _, ...subject } = answer.subject;
      if (answer.code === 'SLF_INTERNAL') request.log.error({ err: error }, 'request failed');
      else if (answer.status >= 500 || answer.subject.pair !== undefined)
        request.log.warn({ code: answer.code, ...subject }, answer.detail);
      return sendProblem(reply, answer);
    });
    app.setNotFoundHandler((_request, reply) =>
      sendProblem(
        reply,
        new SlfError('SLF_ROUTE_UNKNOWN', 'GET /openapi.json lists what there is, /docs shows it'),
      ),
    );
  },
  { name: 'failure' },
);
