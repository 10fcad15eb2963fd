/** Shows the OpenAPI document. Only reading can be tried out, because a deletion cannot be taken back; no validator is called. */
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  supportedSubmitMethods: ['get'],
  validatorUrl: null,
});
