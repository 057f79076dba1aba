// Shows the OpenAPI document. No validator: it would send the document elsewhere.
globalThis.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
});
