/** What a reader thread is started with, and what it answers. Types only. */
import type { ThrownThing } from './thrown-thing.js'

/** Its `workerData`. */
export interface ReaderSettings {
  readonly path: string
  readonly timeoutMs: number
  readonly cacheLimitBytes: number
  readonly allowFuse: boolean
}

export type ReaderAnswer = { readonly value: unknown } | { readonly thrown: ThrownThing }
