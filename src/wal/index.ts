// The steps of this layer are `Blocking`; whoever drives them finds the drivers beside them.
export { type Blocking, runAsync, runCancellable, runSync } from '../vfs/index.js'
export { type Attachment, type AttachOptions, attach, detach } from './attach.js'
export { type CheckpointMode, type CheckpointOptions, type CheckpointResult, checkpoint } from './checkpoint.js'
export type { FrameMap } from './frame-map.js'
export { IndexHeader } from './index-header.js'
export { type AppendedBatch, type CommitBatch, type FramePage, LogAppender } from './log-append.js'
export { type CommittedState, type FrameMapListener, type Snapshot, Snapshots } from './snapshot.js'
export { Wal } from './wal.js'
