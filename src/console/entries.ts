/** The names and values shown for the gateway and for an image. */
import type { PreviewBody, Readiness } from '../client/index.ts';
import { timeCell } from './cells.ts';
import { type Entry, element, foreign } from './dom.ts';
import type { Texts } from './texts.ts';

/** The caller, its permissions, and the state of the gateway's credential. */
export function readinessEntries(ready: Readiness, texts: Texts): readonly Entry[] {
  const { say } = texts;
  const { caller, scopes, keyFingerprint, credentialAccepted, control } = ready;
  const rights = [say('scope_none'), ...scopes.map((scope) => texts.right(scope))];
  const hint = element('span', { class: 'quiet' }, ` ${say('baidu_key_hint')}`);
  return [
    [say('caller'), foreign(caller)],
    [say('scopes'), element('ul', {}, ...rights.map((right) => element('li', {}, right)))],
    [say('baidu_key'), element('span', {}, foreign(keyFingerprint), hint)],
    [say('accepted'), say(credentialAccepted === true ? 'accepted_yes' : 'not_asked')],
    [say('control'), say(credentialAccepted === null ? 'not_asked' : `control_${control ?? 'none'}`)],
  ];
}

/** The image, and whether it could be deleted. */
export function imageEntries(image: PreviewBody, texts: Texts): readonly Entry[] {
  const { say } = texts;
  const { desc, osName, osVersion, createTime, sharedWith, deletable } = image;
  const blockers = image.blockers.map(({ code, detail }) =>
    element('li', {}, texts.problemTitle(code, code), ': ', element('span', { lang: 'en' }, foreign(detail))),
  );
  const notKnown = say('unknown_value');
  const system = [osName, osVersion].filter((each) => each !== null);
  return [
    [say('image_id'), foreign(image.id)],
    [say('image_name'), foreign(image.name)],
    [say('image_deletable'), deletable === null ? notKnown : say(deletable ? 'yes' : 'no')],
    [say('image_blockers'), blockers.length === 0 ? '–' : element('ul', {}, ...blockers)],
    [say('image_shared'), sharedWith === null ? notKnown : say('image_accounts', { count: sharedWith })],
    [say('image_type'), foreign(image.type)],
    [say('image_status'), foreign(image.status)],
    [say('image_created'), createTime === null ? notKnown : timeCell(createTime)],
    [say('image_os'), system.length === 0 ? notKnown : foreign(system.join(' ') || '–')],
    [say('image_desc'), desc === null ? notKnown : foreign(desc || '–')],
  ];
}
