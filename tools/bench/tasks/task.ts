/** A task is what an agent does with its database. Parameters and result travel between processes: plain data, typed arrays. */
import type { AgentStart } from '../messages.js'
import type { Connection } from '../peers/peer.js'

export interface Subject extends AgentStart {
  /** Not there if the start says so. */
  readonly connection: Connection
}

export type Task<Parameters, Result> = (
  subject: Subject,
  parameters: Parameters,
  stop: AbortSignal,
) => Result | Promise<Result>
