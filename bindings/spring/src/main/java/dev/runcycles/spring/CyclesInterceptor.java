package dev.runcycles.spring;

import dev.runcycles.AsyncCyclesClient;
import dev.runcycles.BlockingCyclesClient;
import dev.runcycles.CyclesActual;
import dev.runcycles.CyclesBlock;
import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesOptions;
import java.util.function.Supplier;
import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;
import org.springframework.aop.support.AopUtils;

/** Guards the calls of methods with {@link Cycles}; whether and when something is settled is the client's business. */
final class CyclesInterceptor implements MethodInterceptor {
    private final Supplier<CyclesClient> client;
    private final Supplier<GuardedMethods> methods;

    CyclesInterceptor(Supplier<CyclesClient> client, Supplier<GuardedMethods> methods) {
        this.client = client;
        this.methods = methods;
    }

    @Override
    public Object invoke(MethodInvocation invocation) throws Throwable {
        Class<?> type = AopUtils.getTargetClass(invocation.getThis());
        GuardedMethod method = methods.get().of(invocation.getMethod(), type);
        GuardedCall call = new GuardedCall(method, invocation);
        return switch (method.completion()) {
            case STAGE -> StageGuard.guard(client.get().getAsync(), call);
            case SINGLE, MANY -> PublisherGuard.guard(client.get().getAsync(), call);
            case RETURN, UNKNOWN -> guard(client.get().getBlocking(), call);
        };
    }

    private static Object guard(BlockingCyclesClient client, GuardedCall call) throws Exception {
        CyclesOptions options = call.options();
        if (call.method().isDryRun()) {
            return client.dryRun(options);
        }
        CyclesBlock<Object> block = context -> {
            Object result = call.proceed();
            call.refuseUnfinished(result);
            call.addMetadata(context, result);
            return result;
        };
        return call.method().saysActual()
                ? client.withCycles(options, (CyclesActual<Object>) call::actual, block)
                : client.withCycles(options, block);
    }
}
