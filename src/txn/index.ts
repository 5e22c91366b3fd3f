export { AutoCheckpoint } from './auto-checkpoint.js'
export { BackgroundCheckpoint, type BackgroundCheckpointOptions, type CheckpointPace } from './background-checkpoint.js'
export type { CommitCounts } from './batch-commit.js'
export { BatchSchemas } from './batch-schemas.js'
export { ChangeFeed } from './change-feed.js'
export type { Change } from './change-reader.js'
export { ClientCommits, type ClientRecord } from './client-commits.js'
export type { Committer } from './committer.js'
export { GroupCommit } from './group-commit.js'
export { type HeldSnapshot, HeldSnapshots } from './held-snapshots.js'
export { InlineCommitter } from './inline-committer.js'
export { KnownSchema } from './known-schema.js'
export { LazyLink } from './lazy-link.js'
export { LogRoom } from './log-room.js'
export { type LongReader, type LongReaderListener, LongReaders } from './long-readers.js'
export { OpenSnapshots } from './open-snapshots.js'
export type { Pin } from './pin.js'
export type { ReadStep } from './read-step.js'
export { type PartToScan, type PoolCallOptions, type PoolStats, ReaderPool, type ScanOptions } from './reader-pool.js'
export { ReaderPools } from './reader-pools.js'
export type {
  OpenReaderThreads,
  PartResult,
  ReaderThreads,
  ReaderThreadsOptions,
  ReadTask,
  StoreAddress,
  TaskState,
} from './reader-threads.js'
export { type RecordedTransaction, type RecordingParts, recordTransaction } from './recorded-transaction.js'
export { RemoteCommitter } from './remote-committer.js'
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
export { CommitRequests, type CommitRequestsParts } from './request-handler.js'
export { type CheckpointReport, type CheckpointRequest, RequestedCheckpoints } from './requested-checkpoints.js'
export { Snapshot } from './snapshot.js'
export { Transaction } from './transaction.js'
export { isTransfer, type Transfer, transfer } from './transfer.js'
export type { CommitOptions } from './waiting-commit.js'
export type { Changes } from './watch.js'
