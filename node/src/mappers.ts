// Between TypeScript's names and the wire's, for programs that send or store wire documents themselves.
import type { WireDocument } from './document.js';
import type * as models from './models.js';
import { fromWire, toWire } from './names.js';

/** A document with the wire's names, whoever read it. */
type Wire = { [name: string]: unknown };

function to<T>(value: T): WireDocument {
  return toWire(value) as WireDocument;
}

function from<T>(wire: Wire, defaults?: Partial<NoInfer<T>>): T {
  return { ...defaults, ...(fromWire(wire) as object) } as T;
}

export const amountToWire = (amount: models.Amount): WireDocument => to(amount);
export const subjectToWire = (subject: models.Subject): WireDocument => to(subject);
export const actionToWire = (action: models.Action): WireDocument => to(action);
export const metricsToWire = (metrics: models.CyclesMetrics): WireDocument => to(metrics);
export const reservationCreateRequestToWire = (request: models.ReservationCreateRequest): WireDocument => to(request);
export const commitRequestToWire = (request: models.CommitRequest): WireDocument => to(request);
export const releaseRequestToWire = (request: models.ReleaseRequest): WireDocument => to(request);
export const reservationExtendRequestToWire = (request: models.ReservationExtendRequest): WireDocument => to(request);
export const decisionRequestToWire = (request: models.DecisionRequest): WireDocument => to(request);
export const eventCreateRequestToWire = (request: models.EventCreateRequest): WireDocument => to(request);

export const amountFromWire = (wire: Wire): models.Amount => from(wire);
export const subjectFromWire = (wire: Wire): models.Subject => from(wire);
export const balanceFromWire = (wire: Wire): models.Balance => from(wire);
export const commitResponseFromWire = (wire: Wire): models.CommitResponse => from(wire);
export const releaseResponseFromWire = (wire: Wire): models.ReleaseResponse => from(wire);
export const reservationExtendResponseFromWire = (wire: Wire): models.ReservationExtendResponse => from(wire);
export const decisionResponseFromWire = (wire: Wire): models.DecisionResponse => from(wire);
export const eventCreateResponseFromWire = (wire: Wire): models.EventCreateResponse => from(wire);
export const reservationDetailFromWire = (wire: Wire): models.ReservationDetail => from(wire);
export const reservationSummaryFromWire = (wire: Wire): models.ReservationSummary => from(wire);
export const reservationListResponseFromWire = (wire: Wire): models.ReservationListResponse => from(wire);
export const balanceResponseFromWire = (wire: Wire): models.BalanceResponse => from(wire, { balances: [] });
export const dryRunResultFromWire = (wire: Wire): models.DryRunResult => from(wire, { affectedScopes: [], balances: [] });

export const reservationCreateResponseFromWire = (wire: Wire): models.ReservationCreateResponse =>
  from(wire, { affectedScopes: [] });

export function capsFromWire(wire: Wire): models.Caps;
export function capsFromWire(wire: Wire | null | undefined): models.Caps | undefined;
export function capsFromWire(wire: Wire | null | undefined): models.Caps | undefined {
  return wire ? from(wire) : undefined;
}

/** The authority's error body; `undefined` for a document that is none. */
export function errorResponseFromWire(wire: Wire): models.ErrorResponse | undefined {
  const isError = ['error', 'message', 'request_id'].every((name) => typeof wire[name] === 'string');
  return isError ? from(wire) : undefined;
}
