export {
  type Blocking,
  type BlockingStep,
  datasyncStep,
  delayStep,
  runAsync,
  runCancellable,
  runSync,
} from './blocking.js'
export { type WaitOptions, waitFor } from './lock-wait.js'
export { MapWindows } from './map-windows.js'
export { type FileIdentity, fileIdentityOf, isSameFile } from './node-file-identity.js'
export type { MapProviderName } from './node-map.js'
export { unmapLeftBehind } from './node-map-koffi.js'
export { MapLedger } from './node-map-ledger.js'
export { ThreadGates } from './node-thread-gate.js'
export { NodeVfs, type NodeVfsOptions, nodeVfs } from './node-vfs.js'
export { type FileSystemOptions, refuseFileSystem, refusePlatform } from './platform-guard.js'
export { SlotLocks } from './slot-locks.js'
export type { LockMode, OpenFileOptions, ThreadIdentity, Vfs, VfsFile } from './vfs.js'
