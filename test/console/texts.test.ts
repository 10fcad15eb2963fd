/** The texts of the console. `browser` tests that the page has the same ones. */
import { describe, expect, it } from 'vitest';
import { isTextKey, languageOf, NOTICES, OUTCOMES, PROBLEM_TITLES_ZH, TEXTS, Texts } from '../../src/console/texts.ts';
import { ROW_OUTCOMES } from '../../src/worker/outcome.ts';
import { PROBLEM_CODES } from '../../src/worker/problems/failure.ts';

describe('the language', () => {
  it.each([
    [['zh-CN', 'en'], 'zh'],
    [['zh'], 'zh'],
    [['ZH-Hant-TW'], 'zh'],
    [['en-GB', 'zh-CN'], 'en'],
    [['de-AT', 'zh-CN', 'en'], 'zh'],
    [['en-US@posix'], 'en'],
    [['ar-EG'], 'en'],
    [['zha'], 'en'],
    [[], 'en'],
  ])('for a person who reads %j is %s', (preferred, language) => {
    expect(languageOf(preferred)).toBe(language);
  });
});

describe('each text', () => {
  const placesIn = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
  const all = [...Object.entries(TEXTS), ...Object.values(NOTICES).flatMap((notice) => Object.entries(notice))];

  it('has the same placeholders in both languages', () => {
    for (const [key, { en, zh }] of all) expect(placesIn(zh), key).toEqual(placesIn(en));
  });

  it('is Chinese in Chinese, and has no Chinese in English', () => {
    for (const [key, { en, zh }] of all) {
      expect(en, key).not.toMatch(/\p{Script=Han}|[，。：；（）]/u);
      if (key !== 'budget_used') expect(zh, key).toMatch(/\p{Script=Han}/u);
    }
  });

  it('exists for each outcome and each code', () => {
    expect(Object.keys(OUTCOMES).sort()).toEqual([...ROW_OUTCOMES].sort());
    expect(Object.keys(PROBLEM_TITLES_ZH).sort()).toEqual([...PROBLEM_CODES].sort());
  });
});

describe('in a language', () => {
  const [english, chinese] = [new Texts('en'), new Texts('zh')];

  it('a text has its values filled in', () => {
    expect(english.say('budget_used', { used: 2, limit: 4 })).toBe('2 of 4');
    expect(chinese.say('budget_used', { used: 2, limit: 4 })).toBe('2 / 4');
    expect(english.say('loaded', { time: '{time}' })).toBe('Loaded at {time}');
    expect(english.notice('foreign', { status: 502 }).detail).toBe('Its status is 502.');
  });

  it('values of the API have words, unless only a newer gateway has them', () => {
    expect([english.outcome('not_deleted'), chinese.outcome('deleted'), english.outcome('lost')]).toEqual([
      'not deleted',
      '已删除',
      'lost',
    ]);
    expect([english.scope('metrics:read'), chinese.scope('images:read'), english.scope('all:write')]).toEqual([
      'see budgets',
      '预览镜像',
      'all:write',
    ]);
    expect(english.right('metrics:read')).toBe('see budgets (metrics:read)');
    expect(english.problemTitle('image_shared', 'A title')).toBe('A title');
    expect(chinese.problemTitle('image_shared', 'A title')).toBe('镜像已共享给其他账号');
    expect(chinese.problemTitle('toString', 'A title')).toBe('A title');
  });

  it('a key is in the table', () => {
    expect([isTextKey('history'), isTextKey('toString')]).toEqual([true, false]);
  });
});
