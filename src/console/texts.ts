/**
 * Every text of the console, in English and Chinese. Texts from the API are not translated, except the titles of problems.
 *
 * Promises: a text missing in one language does not compile, nor does a code without a Chinese title. `{name}` is a placeholder.
 */
import type { RowOutcome } from '../worker/outcome.ts';
import type { ProblemCode } from '../worker/problems/failure.ts';

export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];
type Words = Readonly<Record<Language, string>>;

export const TEXTS = {
  page_title: { en: 'Console · bcc-image-gateway', zh: '控制台 · bcc-image-gateway' },
  pages: { en: 'Pages', zh: '页面' },
  to_docs: { en: 'API description', zh: 'API 说明' },
  // The page itself has these in both languages, because no script has run.
  no_script: {
    en: 'The console needs JavaScript, which this browser does not run.',
    zh: '控制台需要 JavaScript，而此浏览器未运行 JavaScript。',
  },
  no_start: {
    en: 'The console has not started: its script did not load, or failed. Reload this page.',
    zh: '控制台未能启动：脚本未加载或运行出错。请重新加载本页。',
  },
  broken: {
    en: 'Part of the console has failed ({what}). What you see may be incomplete. Reload this page.',
    zh: '控制台的一部分出错（{what}），显示的内容可能不完整。请重新加载本页。',
  },

  door_title: { en: 'Sign in', zh: '登录' },
  door_text: {
    en: 'The console only reads. Your key or token stays in the memory of this page and is gone when you close it.',
    zh: '控制台只读取数据。密钥或令牌只保存在本页的内存中，关闭页面即清除。',
  },
  door_key: { en: 'Key or token', zh: '密钥或令牌' },
  door_hint: { en: 'Leave it blank behind Cloudflare Access.', zh: '通过 Cloudflare Access 访问时请留空。' },
  door_open: { en: 'Sign in', zh: '登录' },

  loading: { en: 'Loading', zh: '正在加载' },
  loaded: { en: 'Loaded at {time}', zh: '已于 {time} 加载' },
  partly_loaded: { en: 'Not everything could be loaded', zh: '部分内容未能加载' },
  not_loaded: { en: 'Nothing could be loaded', zh: '未能加载任何内容' },
  old: { en: 'As of {time}. It could not be reloaded.', zh: '这是 {time} 的数据，未能重新加载。' },

  problem_request: { en: 'Request {id}', zh: '请求 {id}' },
  problem_wait: { en: 'Try again in {seconds} s.', zh: '请在 {seconds} 秒后重试。' },

  gateway: { en: 'Gateway', zh: '网关' },
  caller: { en: 'You are the caller', zh: '您的调用方名称' },
  scopes: { en: 'You may', zh: '您的权限' },
  scope_none: { en: 'see your own deletions', zh: '查看自己的删除记录' },
  'scope_images:delete': { en: 'delete images', zh: '删除镜像' },
  'scope_images:read': { en: 'preview images', zh: '预览镜像' },
  'scope_deletions:read': { en: "see everyone's deletions", zh: '查看所有调用方的删除记录' },
  'scope_metrics:read': { en: 'see budgets', zh: '查看额度' },
  baidu_key: { en: 'Baidu key of the gateway (fingerprint)', zh: '网关使用的百度密钥（指纹）' },
  baidu_key_hint: { en: 'Not the fingerprint of your own key.', zh: '不是您自己的密钥的指纹。' },
  accepted: { en: 'Baidu accepts that key', zh: '百度是否接受该密钥' },
  accepted_yes: { en: 'yes', zh: '接受' },
  not_asked: { en: 'not asked', zh: '尚未询问' },
  control: { en: 'Protected image, read as a control', zh: '受保护镜像（对照读取）' },
  control_found: { en: 'found: account, region and read permission are correct', zh: '已找到：地域和读取权限正确' },
  control_absent: {
    en: 'absent: wrong account, region or read permission, or the image is gone',
    zh: '未找到：账号、地域或读取权限有误，或镜像已不存在',
  },
  control_none: { en: 'none, or it could not be read', zh: '未配置，或无法读取' },
  probe: { en: 'Ask Baidu', zh: '询问百度' },
  probing: { en: 'Asking Baidu', zh: '正在询问百度' },
  probed: { en: 'Baidu accepts the key', zh: '百度接受该密钥' },
  reload: { en: 'Load again', zh: '重新加载' },
  leave: { en: 'Sign out', zh: '退出' },
  hidden_parts: { en: 'Not shown, because you lack the scope: {parts}.', zh: '因缺少权限而未显示：{parts}。' },

  budgets: { en: 'Budgets', zh: '额度' },
  budgets_caption: { en: 'Images that count in the last 24 hours', zh: '最近 24 小时计入额度的镜像' },
  budgets_scroll: { en: 'Table of budgets', zh: '额度表' },
  all_callers: { en: 'All callers', zh: '所有调用方' },
  column_caller: { en: 'Caller', zh: '调用方' },
  column_share: { en: 'Share', zh: '占比' },
  column_used: { en: 'Used', zh: '已用' },
  budget_used: { en: '{used} of {limit}', zh: '{used} / {limit}' },
  budget_bar: { en: 'Used by {caller}', zh: '{caller} 已用' },

  days: { en: 'Deletions per day', zh: '每日删除' },
  days_scroll: { en: 'Table of days', zh: '每日表' },
  days_caption: { en: 'Deletions per day (UTC), by outcome', zh: '每日删除数（UTC），按结果' },
  days_table: { en: 'The same as a table', zh: '以表格显示' },
  days_all: { en: 'All callers, the last {days} days: {counts}.', zh: '所有调用方，最近 {days} 天：{counts}。' },
  days_own: { en: 'Your own, the last {days} days: {counts}.', zh: '您自己的，最近 {days} 天：{counts}。' },
  days_cut: {
    en: 'Only the newest {rows} rows were read, since {time}: {counts}. Earlier days were not read.',
    zh: '只读取了最新的 {rows} 条（自 {time} 起）：{counts}。更早的日期未读取。',
  },
  days_more: { en: 'Read older rows', zh: '读取更早的记录' },
  day_unread: { en: 'not read', zh: '未读取' },
  day_partial: { en: '{counts} (partly read)', zh: '{counts}（仅读取了一部分）' },
  no_deletions: { en: 'no deletions', zh: '无删除' },
  column_day: { en: 'Day', zh: '日期' },

  open: { en: 'Open deletions', zh: '未决的删除' },
  open_scroll: { en: 'Table of open deletions', zh: '未决删除表' },
  open_caption: { en: 'Outcome unknown, newest first', zh: '结果未知，按时间倒序' },
  open_none: { en: 'No open deletions: all outcomes are known.', zh: '没有未决的删除：所有结果均已知。' },
  open_one: {
    en: 'The outcome of 1 deletion is not known yet. The gateway checks the image until it is; do not delete it again.',
    zh: '有 1 次删除的结果尚不清楚。网关会持续检查该镜像，请勿再次删除。',
  },
  open_many: {
    en: 'The outcomes of {count} deletions are not known yet. The gateway checks the images until they are; do not delete them again.',
    zh: '有 {count} 次删除的结果尚不清楚。网关会持续检查这些镜像，请勿再次删除。',
  },
  open_more: { en: 'more than {count}', zh: '超过 {count}' },
  disproved: {
    en: 'Baidu confirmed {count} of the deletions above, but a later check found the image: {images}.',
    zh: '上述删除中有 {count} 次已由百度确认，但之后的检查仍找到了镜像：{images}。',
  },

  image: { en: 'Image', zh: '镜像' },
  image_id: { en: 'Image id', zh: '镜像 ID' },
  image_preview: { en: 'Preview', zh: '预览' },
  image_rule: {
    en: 'An image id is "m-" and 6 to 32 letters or digits.',
    zh: '镜像 ID 为“m-”加 6 至 32 个字母或数字。',
  },
  image_name: { en: 'Name', zh: '名称' },
  image_type: { en: 'Type', zh: '类型' },
  image_status: { en: 'Status', zh: '状态' },
  image_desc: { en: 'Description', zh: '描述' },
  image_os: { en: 'System', zh: '操作系统' },
  image_created: { en: 'Created', zh: '创建时间' },
  image_shared: { en: 'Shared with', zh: '共享给' },
  image_accounts: { en: '{count} accounts', zh: '{count} 个账号' },
  image_deletable: { en: 'You could delete it now', zh: '您现在能否删除' },
  image_blockers: { en: 'What blocks the deletion', zh: '阻止删除的原因' },

  history: { en: 'History', zh: '历史' },
  history_scroll: { en: 'Table of deletions', zh: '删除记录表' },
  history_caption: { en: 'Deletions, newest first', zh: '删除记录，按时间倒序' },
  history_empty: { en: 'No deletions.', zh: '没有记录。' },
  filters: { en: 'Filters', zh: '筛选' },
  filter_caller: { en: 'Caller', zh: '调用方' },
  filter_image: { en: 'Image id', zh: '镜像 ID' },
  filter_request: { en: 'Request id', zh: '请求 ID' },
  filter_outcome: { en: 'Outcome', zh: '结果' },
  filter_any: { en: 'any', zh: '全部' },
  filter_since: { en: 'Since (UTC)', zh: '开始时间（UTC）' },
  filter_until: { en: 'Before (UTC)', zh: '结束时间（UTC）' },
  filter_apply: { en: 'Filter', zh: '筛选' },
  filter_clear: { en: 'Clear', zh: '清除' },
  newer: { en: 'Newer', zh: '较新' },
  older: { en: 'Older', zh: '较早' },
  history_range: { en: 'Deletions {from} to {to}', zh: '第 {from} 至 {to} 条' },

  column_time: { en: 'Time (UTC)', zh: '时间（UTC）' },
  column_time_local: { en: 'Time (UTC, then yours)', zh: '时间（UTC，本地时间在下）' },
  column_outcome: { en: 'Outcome', zh: '结果' },
  column_image: { en: 'Image', zh: '镜像' },
  column_code: { en: 'Code', zh: '错误代码' },
  details: { en: 'Details', zh: '详情' },
  confirmed_true: { en: 'confirmed by Baidu', zh: '百度已确认' },
  confirmed_false: { en: 'inferred', zh: '推断' },
  verified_true: { en: 'verified gone', zh: '之后检查已不存在' },
  verified_false: { en: 'still there at the last check', zh: '之后检查仍存在' },
  member_requestId: { en: 'Request id', zh: '请求 ID' },
  member_settledAt: { en: 'Request finished', zh: '请求结果时间' },
  member_resolvedAt: { en: 'Outcome resolved', zh: '之后查明时间' },
  member_confirmed: { en: 'Confirmed by Baidu', zh: '百度已确认' },
  member_verified: { en: 'Verified gone', zh: '之后检查已不存在' },
  member_attempts: { en: 'Deletions sent to Baidu', zh: '向百度发送的删除次数' },
  member_upstreamRequestId: { en: "Baidu's request id", zh: '百度请求 ID' },
  member_keyFingerprint: { en: 'Baidu key (fingerprint)', zh: '百度密钥（指纹）' },
  yes: { en: 'yes', zh: '是' },
  no: { en: 'no', zh: '否' },
  unknown_value: { en: 'unknown', zh: '未知' },
} as const satisfies Readonly<Record<string, Words>>;

export type TextKey = keyof typeof TEXTS;

/** Notices about failures: a title, and what to do. */
export const NOTICES = {
  malformed: {
    title: { en: 'This is not a key or token', zh: '这不是密钥或令牌' },
    detail: {
      en: 'It contains an invalid character, such as a space. Copy it again.',
      zh: '其中含有不允许的字符，例如空格。请重新复制。',
    },
  },
  unknown: {
    title: { en: 'You are not signed in', zh: '尚未登录' },
    detail: {
      en: 'Enter a key or token. A blank field works only behind Cloudflare Access.',
      zh: '请输入密钥或令牌。只有通过 Cloudflare Access 访问时才可留空。',
    },
  },
  lost: {
    title: { en: 'The gateway does not respond', zh: '网关没有响应' },
    detail: { en: 'Check the connection, then try again.', zh: '请检查网络连接，然后重新加载。' },
  },
  foreign: {
    title: { en: 'The response is not from the gateway', zh: '响应不是来自网关' },
    detail: { en: 'Its status is {status}.', zh: '其状态码为 {status}。' },
  },
  sign_in: {
    title: { en: 'Your sign-in has ended', zh: '登录已失效' },
    detail: { en: 'Reload this page to sign in.', zh: '请重新加载本页并登录。' },
  },
  other_caller: {
    title: { en: 'Another caller is signed in now', zh: '当前登录的是另一个调用方' },
    detail: { en: 'The data shown has been removed. Sign in again.', zh: '已清除之前显示的内容，请重新登录。' },
  },
  draw: {
    title: { en: 'This part could not be shown', zh: '此部分无法显示' },
    detail: { en: 'It failed with {what}.', zh: '出现错误：{what}。' },
  },
  filter_time: {
    title: { en: 'Invalid time', zh: '时间无效' },
    detail: { en: 'The year must have four digits.', zh: '年份必须为四位数字。' },
  },
} as const satisfies Readonly<Record<string, Readonly<{ title: Words; detail: Words }>>>;

export type NoticeKey = keyof typeof NOTICES;

export const OUTCOMES: Readonly<Record<RowOutcome, Words>> = {
  deleted: { en: 'deleted', zh: '已删除' },
  already_absent: { en: 'already absent', zh: '原本不存在' },
  rejected: { en: 'rejected', zh: '被拒绝' },
  not_attempted: { en: 'not attempted', zh: '未尝试' },
  not_deleted: { en: 'not deleted', zh: '未删除' },
  unknown: { en: 'unknown', zh: '未知' },
};

/** The titles of problems, which the API sends in English. */
export const PROBLEM_TITLES_ZH: Readonly<Record<ProblemCode, string>> = {
  invalid_image_id: '镜像 ID 格式错误',
  invalid_request: '请求中含有此调用不接受的内容',
  insecure_transport: '请求未使用 HTTPS',
  unauthenticated: '无法识别调用方',
  identity_unavailable: '令牌签发方没有响应',
  permission_denied: '调用方没有此权限',
  image_protected: '镜像受保护',
  route_not_found: '路径不存在',
  method_not_allowed: '该路径不接受此方法',
  precondition_failed: '镜像名称与预期不符',
  rate_limited: '请求过于频繁',
  budget_exhausted: '每日删除额度已用完',
  deletion_in_progress: '该镜像的另一次删除正在进行',
  image_not_found: '镜像不存在',
  image_not_custom: '不是自定义镜像',
  image_creating: '镜像仍在创建中',
  image_shared: '镜像已共享给其他账号',
  upstream_rejected_credentials: '百度拒绝了网关的凭证',
  upstream_throttled: '百度限制了请求频率',
  upstream_unexpected: '百度返回了未公开说明的响应',
  upstream_error: '百度出错，或与百度的连接中断',
  upstream_timeout: '百度未及时响应',
  deletions_disabled: '删除功能已关闭',
  ledger_unavailable: '删除账本没有响应',
  rate_limiter_unavailable: '限流器没有响应',
  gateway_misconfigured: '网关未正确配置',
  internal_error: '网关存在缺陷',
};

/** The first of a person's languages that we have, or else English. */
export function languageOf(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const found = LANGUAGES.find((language) => tag.toLowerCase().split(/[-_@]/)[0] === language);
    if (found !== undefined) return found;
  }
  return 'en';
}

export type Values = Readonly<Record<string, string | number>>;
/** A title and a detail. With a request id they come from the API: the detail is English, the title translated. */
export interface Notice {
  readonly title: string;
  readonly detail: string;
  /** When to try again. */
  readonly wait?: string | undefined;
  readonly faults?: readonly string[];
  readonly requestId?: string;
}

/** The console's texts in one language. */
export class Texts {
  readonly language: Language;
  readonly say = (key: TextKey, values?: Values): string => filled(TEXTS[key], this.language, values);

  constructor(language: Language) {
    this.language = language;
  }

  notice(key: NoticeKey, values?: Values): Notice {
    const { title, detail } = NOTICES[key];
    return { title: filled(title, this.language, values), detail: filled(detail, this.language, values) };
  }

  /** An outcome in words. An outcome of a newer gateway is shown as is. */
  outcome(outcome: string): string {
    return isRowOutcome(outcome) ? OUTCOMES[outcome][this.language] : outcome;
  }

  /** What a scope allows, in words. */
  scope(scope: string): string {
    const key = `scope_${scope}`;
    return isTextKey(key) ? this.say(key) : scope;
  }

  /** The same with the scope itself, for the operator. */
  right(scope: string): string {
    return `${this.scope(scope)} (${scope})`;
  }

  /** The title of a problem, which the API sends in English. */
  problemTitle(code: string, title: string): string {
    return this.language === 'zh' && isProblemCode(code) ? PROBLEM_TITLES_ZH[code] : title;
  }
}

export const isTextKey = (text: string): text is TextKey => Object.hasOwn(TEXTS, text);
const isRowOutcome = (text: string): text is RowOutcome => Object.hasOwn(OUTCOMES, text);
const isProblemCode = (text: string): text is ProblemCode => Object.hasOwn(PROBLEM_TITLES_ZH, text);

function filled(words: Words, language: Language, values: Values = {}): string {
  return words[language].replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}
