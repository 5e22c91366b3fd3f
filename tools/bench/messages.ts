/** What the benchmark and its agents, processes or threads that work on a database, tell each other. */
import type { MemoryUse } from './memory.js'
import type { PeerName } from './peers/index.js'
import type { OpenSettings } from './peers/peer.js'

/** First thing an agent is told; it answers `ready` when it is connected. */
export interface AgentStart {
  readonly peer: PeerName
  readonly path: string
  readonly settings: OpenSettings
  /** False if the task is to open the database itself. Default true. */
  readonly connect?: boolean
}

export type FromAgent =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'result'
      readonly value: unknown
      /** At the end of the task. */
      readonly memory: MemoryUse
    }
  /** The first line is the error's, where it happened comes after that. */
  | { readonly kind: 'failed'; readonly message: string }

export type ToAgent =
  | ({ readonly kind: 'start' } & AgentStart)
  | { readonly kind: 'run'; readonly task: string; readonly parameters: unknown }
  /** Ends the task early; its result comes as ever. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'close' }
