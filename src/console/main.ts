/**
 * The console's door: who asks, and with what proof.
 *
 * Promises: the credential is in one closure and nowhere else; none is asked for if what stands before the gateway proves who calls;
 * what was shown to one caller is gone before another enters.
 */
import { getWith, objectIn, type Problem } from './api.ts';
import { Console } from './console.ts';
import { find, showProblem } from './dom.ts';

const main = find(document, 'main', HTMLElement);
const form = find(main, 'form', HTMLFormElement);
const credential = find(form, 'input', HTMLInputElement);
const template = find(document, 'template', HTMLTemplateElement);

async function enter(proof: string | null): Promise<void> {
  const get = getWith(proof, fetch.bind(window));
  const answer = await get('/readyz');
  // Without a proof a 401 is no news.
  if (!answer.ok) return ask(proof === null && answer.failure.status === 401 ? null : answer.failure);
  form.hidden = true;
  main.append(template.content.cloneNode(true));
  const root = find(main, '#console', HTMLElement);
  const leave = (problem: Problem | null) => {
    // Answers may still come for a console that was left.
    if (!root.isConnected) return;
    root.remove();
    ask(problem);
  };
  void new Console(root, get, leave, objectIn(answer.value.text)).load();
  find(root, 'h2', HTMLElement).focus();
}

function ask(problem: Problem | null): void {
  form.hidden = false;
  showProblem(form, problem);
  credential.focus();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const proof = credential.value;
  credential.value = '';
  void enter(proof);
});
void enter(null);
