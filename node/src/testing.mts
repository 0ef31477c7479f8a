// One set of classes for both module systems: this is only another door to the CommonJS build.
export * from './testing.js';
