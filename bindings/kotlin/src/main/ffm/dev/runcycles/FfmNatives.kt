package dev.runcycles

import dev.runcycles.ffi.CyclesCore
import dev.runcycles.ffi.Field
import dev.runcycles.ffi.Guard
import dev.runcycles.ffi.ManualClock
import dev.runcycles.ffi.NativeResponse
import dev.runcycles.ffi.NoHandle
import dev.runcycles.ffi.NotificationQueue
import dev.runcycles.ffi.Parent
import dev.runcycles.ffi.Stream
import dev.runcycles.ffi.TestServer
import dev.runcycles.ffm.RuncyclesUniffi
import dev.runcycles.ffm.CyclesCore as JavaCore
import dev.runcycles.ffm.Field as JavaField
import dev.runcycles.ffm.Guard as JavaGuard
import dev.runcycles.ffm.ManualClock as JavaClock
import dev.runcycles.ffm.NotificationQueue as JavaQueue
import dev.runcycles.ffm.Parent as JavaParent
import dev.runcycles.ffm.Stream as JavaStream
import dev.runcycles.ffm.TestServer as JavaServer

/**
 * By the foreign function interface: the generated Java, in the classes of the generated Kotlin.
 * Found by name, since it exists only where a JDK of 22 or later built the jar.
 */
internal class FfmNatives : Natives {
    override fun client(config: String, clock: ManualClock?): CyclesCore =
        FfmCore(calling { JavaCore(config, clock.java) })

    override fun clientFromEnv(prefix: String, timeoutUnit: String): CyclesCore =
        FfmCore(calling { JavaCore.fromEnv(prefix, timeoutUnit) })

    override fun embedded(seed: String, config: String, clock: ManualClock?): CyclesCore =
        FfmCore(calling { JavaCore.embedded(seed, config, clock.java) })

    override fun manualClock(startMs: Long): ManualClock = FfmClock(calling { JavaClock(startMs) })

    override fun testServer(seed: String, clock: ManualClock?): TestServer =
        FfmServer(calling { JavaServer(seed, clock.java) })

    override fun usdMicrocents(text: String): Long = calling { RuncyclesUniffi.usdMicrocents(text) }

    override fun isToolAllowed(caps: String, tool: String): Boolean =
        calling { RuncyclesUniffi.isToolAllowed(caps, tool) }

    override fun errorSamples(): List<String> = calling { RuncyclesUniffi.errorSamples() }

    override fun panicInNative(message: String): Unit = calling { RuncyclesUniffi.panicInNative(message) }

    override suspend fun panicInNativeTask(message: String) {
        awaiting { RuncyclesUniffi.panicInNativeTask(message, it) }
    }
}

private class FfmCore(private val java: JavaCore) : CyclesCore(NoHandle) {
    override suspend fun send(operation: String, reservationId: String?, query: List<Field>, body: String?): NativeResponse {
        val fields = query.map { JavaField(it.name, it.value) }
        val answer = awaiting { java.send(operation, reservationId, fields, body, it) }
        val headers = answer.headers().map { Field(it.name(), it.value()) }
        return NativeResponse(answer.status(), answer.body(), headers, answer.errorMessage())
    }

    override fun guard(request: String, parent: Parent?): Guard = FfmGuard(calling { java.guard(request, parent.java) })

    override fun stream(request: String, options: String, parent: Parent?): Stream =
        FfmStream(calling { java.stream(request, options, parent.java) })

    override suspend fun flush(timeoutMs: ULong): ULong = awaiting { java.flush(timeoutMs.toLong(), it) }.toULong()

    override fun setApiKey(apiKey: String): Unit = calling { java.setApiKey(apiKey) }

    override fun journalStats(): String? = calling { java.journalStats() }

    override fun notifications(): NotificationQueue = FfmQueue(calling { java.notifications() })

    override fun shutdown(): Unit = calling { java.shutdown() }

    override fun destroy(): Unit = java.close()
}

private class FfmGuard(private val java: JavaGuard) : Guard(NoHandle) {
    override suspend fun reserve() {
        awaiting { java.reserve(it) }
    }

    override fun context(): String = calling { java.context() }

    override fun parent(): Parent? = calling { java.parent() }?.let(::FfmParent)

    override fun cancels(): Boolean = calling { java.cancels() }

    override suspend fun lost(): String = awaiting { java.lost(it) }

    override suspend fun abandon() {
        awaiting { java.abandon(it) }
    }

    override suspend fun commit(report: String): String = awaiting { java.commit(report, it) }

    override suspend fun release(reason: String?): String = awaiting { java.release(reason, it) }

    override fun destroy(): Unit = java.close()
}

private class FfmStream(private val java: JavaStream) : Stream(NoHandle) {
    override suspend fun reserve() {
        awaiting { java.reserve(it) }
    }

    override fun context(): String = calling { java.context() }

    override fun parent(): Parent? = calling { java.parent() }?.let(::FfmParent)

    override fun count(usage: String): Unit = calling { java.count(usage) }

    override suspend fun lost(): String = awaiting { java.lost(it) }

    override suspend fun proceed(usage: String): String = awaiting { java.proceed(usage, it) }

    override suspend fun finish(usage: String): String = awaiting { java.finish(usage, it) }

    override suspend fun abort(usage: String, reason: String?): String = awaiting { java.abort(usage, reason, it) }

    override fun destroy(): Unit = java.close()
}

private class FfmParent(val java: JavaParent) : Parent(NoHandle) {
    override fun destroy(): Unit = java.close()
}

private class FfmQueue(private val java: JavaQueue) : NotificationQueue(NoHandle) {
    override fun take(): String = calling { java.take() }

    override suspend fun next(): String? = awaiting { java.next(it) }

    override fun destroy(): Unit = java.close()
}

private class FfmClock(val java: JavaClock) : ManualClock(NoHandle) {
    override fun advance(ms: ULong): Unit = calling { java.advance(ms.toLong()) }

    override fun nowMs(): Long = calling { java.nowMs() }

    override fun destroy(): Unit = java.close()
}

private class FfmServer(private val java: JavaServer) : TestServer(NoHandle) {
    override fun adminKey(): String = calling { java.adminKey() }

    override fun apiKey(name: String?): String = calling { java.apiKey(name) }

    override fun baseUrl(): String = calling { java.baseUrl() }

    override fun budget(scope: String, unit: String): String = calling { java.budget(scope, unit) }

    override fun clearFaults(): Unit = calling { java.clearFaults() }

    override fun client(key: String?, transport: String, config: String): CyclesCore =
        FfmCore(calling { java.client(key, transport, config) })

    override fun count(operation: String): ULong = calling { java.count(operation) }.toULong()

    override fun inject(fault: String): Unit = calling { java.inject(fault) }

    override fun pendingFaults(): String = calling { java.pendingFaults() }

    override fun shutdown(): Unit = calling { java.shutdown() }

    override suspend fun waitFor(operation: String, count: ULong, timeoutMs: ULong) {
        awaiting { java.waitFor(operation, count.toLong(), timeoutMs.toLong(), it) }
    }

    override suspend fun waitForFaults(operation: String, timeoutMs: ULong) {
        awaiting { java.waitForFaults(operation, timeoutMs.toLong(), it) }
    }

    override fun destroy(): Unit = java.close()
}

private val ManualClock?.java: JavaClock? get() = (this as FfmClock?)?.java
private val Parent?.java: JavaParent? get() = (this as FfmParent?)?.java
