/**
 * The sentences shared by the rows about Baidu's failures.
 *
 * Promises: a sentence describes the caller's request, and mentions a deletion only if one was requested. Never: claims more about
 * the image than the outcome does.
 */
import type { AbsenceFacts, UpstreamFacts } from './facts.ts';

type Detail = (facts: UpstreamFacts) => string;

/** Says that nothing was deleted, in words that fit the call. */
export function notSent({ imageId, call }: UpstreamFacts): string {
  switch (call) {
    case 'deletion':
      return `No deletion of ${imageId} was sent.`;
    case 'preview':
      return `Baidu did not describe ${imageId}.`;
    case 'probe':
      return "It is not known whether Baidu accepts the gateway's credential.";
  }
}

/** `detail`, unless the effect of a deletion is not known: then it says that. */
export function unlessUnknown(detail: Detail): Detail {
  return (facts) =>
    facts.outcome === 'unknown' ? `It is not known yet whether ${facts.imageId} was deleted.` : detail(facts);
}

/** `refusal` if Baidu refused the deletion, or else what is known. */
export function ifRefused(refusal: Detail): Detail {
  return unlessUnknown((facts) => (facts.outcome === 'not_attempted' ? notSent(facts) : refusal(facts)));
}

/** Says that the image is absent, and when it was deleted if the ledger knows. */
export function absent({ imageId, listed, deletedBefore }: AbsenceFacts): string {
  if (deletedBefore !== undefined) {
    const { at, requestId } = deletedBefore;
    return requestId === null
      ? `${imageId} was deleted, or found gone, at ${at} for another caller.`
      : `This caller deleted ${imageId}, or found it gone after trying to, at ${at} by request ${requestId}.`;
  }
  return listed
    ? `Baidu has no image ${imageId} in this region.`
    : `Baidu answered 404 for ${imageId}, with a code that is not documented.`;
}
