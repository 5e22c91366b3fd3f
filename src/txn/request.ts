/**
 * A transaction on its way to the writer process, as plain data, and what became of it.
 *
 * Steps are what the transaction did, in order. Of a write without reads they are its operations and nothing else. Of a
 * transaction function they also say what was read and which results were seen, so that running them again
 * on a newer state shows whether the function would have seen the same: then its operations may be committed there
 * (TXN-5), else the function has to run again.
 *
 * Exactly once: each client numbers its requests from 1, and whoever applies request n of a client, the writer process
 * or the client itself after losing it, does so under WRITE, only if n is above the client's last number in the file, and
 * puts n there in the same commit (TXN-6). Requests of one client are applied in the order of their numbers.
 */
import type { ErrorCode } from '../errors.js'
import type { Operation, OperationResult } from '../store/index.js'
import type { Synchronous } from '../units.js'
import type { ReadStep } from './read-step.js'

export type Step = Operation | ReadStep

export interface CommitRequest {
  /** From 1, rising by one with each request of the client. */
  readonly number: number
  readonly synchronous: Synchronous
  readonly steps: readonly Step[]
  /**
   * The state that a function ran on: reads need no validation if nothing was committed since, and a refusal that it did not see
   * is a conflict. Null: operations without a function, whose refusal is the outcome.
   */
  readonly base: StateId | null
  /** Somebody waits for the results of the operations: they are part of the answer. */
  readonly wantsResults: boolean
}

/** Names one committed state of one file: salts, end mark and frame checksums of the wal-index header. */
export type StateId = readonly [salt1: number, salt2: number, endMark: number, checksum1: number, checksum2: number]

export type Outcome =
  /** Durable as asked, and visible. `results` in the order of the operations, if the request wants them. */
  | { readonly kind: 'committed'; readonly results: readonly OperationResult[] | null }
  /** What was read has changed: nothing is committed, the function has to run again. */
  | { readonly kind: 'conflict' }
  /** Cancelled before it was applied. */
  | { readonly kind: 'cancelled' }
  /** An error of this transaction (its rows, its store) or of the whole batch (disk, lock): nothing of it is committed. */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }

/** What the ipc server hands requests to: the writing side, in the writer process. */
export interface RequestHandler {
  /**
   * A client has connected, or has come back with the same id.
   * @param timeoutMs how long its requests wait for WRITE; 0: as long as the writer itself does
   * @param isAlive whether the client is: asked under WRITE when it has no row
   */
  attach(clientId: number, timeoutMs?: number, isAlive?: () => boolean): ClientHandle
  /** Removes the rows of clients that are not attached and do not live any more. Not awaited: nobody depends on it. */
  sweep(isAlive: (clientId: number) => boolean): void
}

/** One connected client. */
export interface ClientHandle {
  /**
   * Takes the next request; numbers rise. `answer` is called once, after the batch is published, in the order of the
   * numbers, unless the handle was dropped before.
   * @throws ENDMARK_INVALID_ARGUMENT if the request is not well formed: the sender is broken or hostile
   */
  submit(request: CommitRequest, answer: (number: number, outcome: Outcome) => void): void
  /** The client has got the answers to all requests up to this number. */
  acknowledge(upTo: number): void
  /** Cancels a request that was not yet applied; it is answered in its turn. */
  cancel(number: number): void
  /** The connection is lost: what has not begun is dropped, nothing is answered any more. */
  drop(): void
  /** The client has said goodbye and waits for nothing: its row is removed. */
  leave(): void
}

/** The way to a writer process, as a committing connection sees it. Implemented by ipc/client. */
export interface WriterLink {
  /** Holds for the life of the Database; a kernel lock shows the writer process that its owner lives. */
  readonly clientId: number
  /** Requests can be sent now. */
  readonly isConnected: boolean
  /** Tries to connect, if it is time to try again; returns at once. */
  wake(): void
  /**
   * Sends a request; the answer comes through the handlers.
   * @returns false, nothing sent, if it is larger than a message may be: commit it directly
   */
  send(request: CommitRequest): boolean
  cancel(number: number): void
  /** All requests up to this number are answered: sent along with the next message. */
  acknowledge(upTo: number): void
  /** The log has grown by enough frames for a checkpoint: says so to the writer process. */
  requestCheckpoint(): void
  /** Wants to hear of commits through `changed`, or no longer; tries to connect for that, if it is time to try again. */
  watch(isWatching: boolean): void
  /** Closes the connection as broken: the handlers hear `lost`, and what has no answer is in doubt. */
  abandon(why: string): void
  /** Says goodbye; resolves when the connection is closed. Nothing may be waiting for an answer. */
  close(): Promise<void>
  /** Of the writer process, for `stats()`; null while not connected. */
  readonly writerPid: number | null
  /** Why the last attempt to connect failed, or the last connection broke; null if none did. */
  readonly failure: unknown
}

export interface WriterLinkHandlers {
  connected(): void
  /** `othersActive`: other clients have sent requests lately, so that going through the writer process pays. */
  answered(number: number, outcome: Outcome, othersActive: boolean): void
  /** The writer process has committed something since it last said so. */
  changed(): void
  /** The connection is gone: whatever has no answer yet is in doubt. */
  lost(): void
}

/** Makes the link of one Database; `path` is the resolved path of its main file. */
export type OpenWriterLink = (path: string, handlers: WriterLinkHandlers) => WriterLink
