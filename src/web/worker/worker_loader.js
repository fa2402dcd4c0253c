// Starts the app's program a second time, as its worker. The page sends the URL of the program's script, and
// the module as it has compiled it. Until the program runs, nothing else listens to the page's messages.
self.onmessage = async ({ data: [script, module] }) => {
  try {
    const { default: start } = await import(script);
    await start({ module_or_path: module });
  } catch (error) {
    // Reported so that the page receives it, as it does any other error here.
    reportError(error);
  }
};
