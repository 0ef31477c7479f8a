package dev.runcycles.spring;

/** Says what a stream has used, item by item. */
interface Counting<T> {
    /** Counts an item before it is handed on. */
    void count(T item);

    /** The last words before it is settled, however it ended. */
    void end();
}
