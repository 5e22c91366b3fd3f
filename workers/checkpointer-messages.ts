/** What the writer process and the checkpointer that it has forked say to each other. */
import type { CheckpointPace } from '../src/database.js'

/** Command line of the checkpointer: these as JSON. */
export interface CheckpointerSettings {
  /** Path of the database. */
  readonly path: string
  /** Frames between two checkpoints. */
  readonly frames: number
  readonly pace?: Partial<CheckpointPace> | undefined
  readonly allowFuse: boolean
}

export type ToCheckpointer =
  /** Enough frames have come for a checkpoint, as somebody counts. */
  | { readonly type: 'checkpoint' }
  /** No batch is under way, and none begins until `resume`. */
  | { readonly type: 'paused'; readonly pause: number }

export type FromCheckpointer =
  /** The role is taken and the database open. */
  | { readonly type: 'ready' }
  /** Asks for no batches; pauses are numbered, as one may be given up before the answer comes. */
  | { readonly type: 'pause'; readonly pause: number }
  | { readonly type: 'resume'; readonly pause: number }
  /** Commits come faster than they can be copied: asks for half of them, or says that it has caught up. */
  | { readonly type: 'slow'; readonly isSlow: boolean }
  /** A checkpoint was made. */
  | { readonly type: 'made' }
  /** A checkpoint has failed; it is tried again. */
  | { readonly type: 'failed'; readonly code: string | null; readonly message: string }
