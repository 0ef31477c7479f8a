// The same from CommonJS.
import runcycles = require('runcycles');
import testing = require('runcycles/testing');

const call: (text: string) => Promise<number> = runcycles.withCycles({ estimate: 1 }, (text: string) => text.length);
const clock: testing.ManualClock = new testing.ManualClock();
void [call, clock];
