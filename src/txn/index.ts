export { AutoCheckpoint } from './auto-checkpoint.js'
export { BackgroundCheckpoint, type BackgroundCheckpointOptions, type CheckpointPace } from './background-checkpoint.js'
export { BatchSchemas } from './batch-schemas.js'
export type { Committer } from './committer.js'
export { type CommitCounts, type CommitOptions, GroupCommit } from './group-commit.js'
export { InlineCommitter } from './inline-committer.js'
export type { ReadStep } from './read-step.js'
export type {
  ClientHandle,
  CommitRequest,
  OpenWriterLink,
  Outcome,
  RequestHandler,
  StateId,
  Step,
  WriterLink,
  WriterLinkHandlers,
} from './request.js'
export { Snapshot } from './snapshot.js'
export { Transaction } from './transaction.js'
