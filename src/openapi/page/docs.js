/** Shows the OpenAPI document. Only reads can be tried out, because a deletion cannot be undone. No validator is called. */
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

/** Swagger UI gives these lists no accessible name. */
const LIST_NAMES = { '#servers': 'Server', '.examples-select-element': 'Example', '.content-type': 'Media type' };
const nameLists = () => {
  for (const [lists, name] of Object.entries(LIST_NAMES)) {
    for (const list of document.querySelectorAll(`select${lists}:not([aria-label])`))
      list.setAttribute('aria-label', name);
  }
};
new MutationObserver(nameLists).observe(document.querySelector('#docs'), { childList: true, subtree: true });

SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  supportedSubmitMethods: ['get'],
  validatorUrl: null,
  // Its colours lack contrast.
  syntaxHighlight: false,
  onComplete: () => document.querySelector('#broken').remove(),
});
