/** Starts the dashboard. */

import { bindTheme } from "./theme.js";
import { start } from "./router.js";
import { watchWorkers } from "./workers.js";

bindTheme(document.getElementById("theme"));
await start();
performance.mark("interactive");
watchWorkers(document.getElementById("workers"));
