// Copy Path of a file in a bucket gives its s3:// address, which s3fs, pandas and polars take as it is.
// Written by hand in the form that a build of an extension has: there is nothing else to build here.
// https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html#prebuilt-extensions
(() => {
  let shared = {};

  async function load(name) {
    const versions = Object.values(shared[name] || {});
    if (!versions.length) {
      throw new Error(`this JupyterLab shares no ${name}`);
    }
    return (await versions[0].get())();
  }

  async function makePlugin() {
    const { IFileBrowserFactory } = await load('@jupyterlab/filebrowser');
    const { Clipboard } = await load('@jupyterlab/apputils');
    return {
      id: 'jupyter-buckets:copy-path',
      description: 'Copies the S3 address of files in buckets.',
      autoStart: true,
      requires: [IFileBrowserFactory],
      activate: (app, browsers) => {
        // the command itself stays Lab's own, so its menu entry and its key do too
        app.commands.commandExecuted.connect((_, command) => {
          if (command.id !== 'filebrowser:copy-path') {
            return;
          }
          const browser = browsers.tracker.currentWidget;
          const item = browser && browser.selectedItems().next().value;
          if (item && item.s3_address) {
            Clipboard.copyToSystem(item.s3_address);
          }
        });
      }
    };
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB['jupyter-buckets'] = {
    init: scope => {
      shared = scope;
    },
    get: async () => {
      const plugin = await makePlugin();
      return () => ({ __esModule: true, default: plugin });
    }
  };
})();
