// Starts the app's program again as its worker. The page hands over where the program's script is, and the
// program as it has compiled it. Until the program runs, nobody else listens to what the page says.
self.onmessage = async ({ data: [script, module] }) => {
  try {
    const { default: start } = await import(script);
    await start({ module_or_path: module });
  } catch (error) {
    // So that the page hears of it, as of any other error here.
    reportError(error);
  }
};
