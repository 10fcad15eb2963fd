/**
 * Finds out what became of deletions whose outcome is unknown, by looking at their images.
 *
 * Promises: sends Baidu nothing but GET; looks at one image at a time, at most ten a second, once for all rows of an image; each
 * fate that it finds leaves one log line. Never: throws for what Baidu or the configuration does.
 */
import type { ImageApi } from '../baidu/images.ts';
import { type ImageId, isImageId } from '../image-id.ts';
import { becomesOverdue, isDue, type Look, stepsAfterLook } from '../ledger/resolution.ts';
import type { DeletionRow } from '../ledger/rows.ts';
import type { LedgerStore } from '../ledger/store.ts';
import { type LogLine, logLine, type Runtime } from '../runtime.ts';

/** What a look needs; `null` if the configuration is broken, so that every look fails. */
export interface Looking {
  readonly images: Pick<ImageApi, 'get'>;
  readonly deadlineMs: number;
}

export interface ResolutionLine extends LogLine {
  /** `resolved`: the fate is known now. `unresolved`: a day of looks has failed; they go on. */
  readonly 'event.name': 'resolved' | 'unresolved';
  readonly 'image.id': string;
  readonly 'gateway.request.id'?: string;
  readonly 'request.id'?: string;
  readonly 'caller.id'?: string;
  readonly outcome?: string;
  readonly confirmed?: boolean | null;
}

const MIN_PAUSE_MS = 100;
/** A run begins no further look after this, so that it ends long before the platform's 15 minutes. */
const MAX_RUN_MS = 5 * 60 * 1000;

/** Looks at every image that is due. `afterS` are the planned looks, in seconds after a reservation. */
export async function resolveUnknown(
  store: Pick<LedgerStore, 'unknown' | 'unknownOfImage' | 'isClaimed' | 'apply' | 'countOverdue'>,
  looking: Looking | null,
  afterS: readonly number[],
  { now, sleep, log }: Pick<Runtime, 'now' | 'sleep' | 'log'>,
): Promise<void> {
  const dueAtStart = store.unknown().filter((row) => isDue(row, afterS, now()));
  const lastLookMs = now() + MAX_RUN_MS;
  for (const imageId of new Set(dueAtStart.map((row) => row.imageId))) {
    if (now() > lastLookMs) return;
    // A look proves nothing about what happened after it began.
    const lookedAtMs = now();
    const look = looking === null || !isImageId(imageId) ? 'failed' : await lookAt(looking, imageId, lookedAtMs);
    const nowMs = now();
    // Read again: rows may have been settled while Baidu was asked.
    const rows = store.unknownOfImage(imageId);
    const isOverdueNow = look === 'failed' && becomesOverdue(rows, afterS, lookedAtMs);
    const steps = stepsAfterLook(look, rows, store.isClaimed(imageId), afterS, lookedAtMs);
    const timestamp = new Date(nowMs).toISOString();
    for (const row of store.apply(imageId, steps, nowMs)) logLine(log, resolved(row, timestamp));
    if (isOverdueNow) {
      store.countOverdue();
      logLine<ResolutionLine>(log, {
        timestamp,
        severity_text: 'ERROR',
        'event.name': 'unresolved',
        'image.id': imageId,
      });
    }
    if (looking !== null) await sleep(MIN_PAUSE_MS);
  }
}

async function lookAt({ images, deadlineMs }: Looking, imageId: ImageId, nowMs: number): Promise<Look> {
  try {
    const { result } = await images.get(imageId, nowMs + deadlineMs);
    if (result.ok) return 'there';
    return result.failure.code === 'image_not_found' ? 'absent' : 'failed';
  } catch {
    return 'failed';
  }
}

function resolved(row: DeletionRow, timestamp: string): ResolutionLine {
  return {
    timestamp,
    severity_text: 'INFO',
    'event.name': 'resolved',
    'gateway.request.id': row.id,
    'request.id': row.requestId,
    'caller.id': row.caller,
    'image.id': row.imageId,
    outcome: row.outcome,
    confirmed: row.confirmed,
  };
}
