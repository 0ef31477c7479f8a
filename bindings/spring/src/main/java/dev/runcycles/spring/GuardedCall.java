package dev.runcycles.spring;

import dev.runcycles.Amount;
import dev.runcycles.CyclesContext;
import dev.runcycles.CyclesOptions;
import dev.runcycles.CyclesValidationError;
import java.lang.reflect.UndeclaredThrowableException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.aopalliance.intercept.MethodInvocation;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.aop.ProxyMethodInvocation;

/** One call of a guarded method. */
final class GuardedCall {
    private static final Log LOG = LogFactory.getLog(Cycles.class);

    private final GuardedMethod method;
    private final MethodInvocation invocation;
    private final Invocation seen;

    GuardedCall(GuardedMethod method, MethodInvocation invocation) {
        this.method = method;
        this.invocation = invocation;
        Object[] arguments = Suspending.arguments(method.method(), invocation.getArguments());
        this.seen = new Invocation(invocation.getThis(), method.method(), arguments);
    }

    GuardedMethod method() {
        return method;
    }

    CyclesOptions options() {
        return method.options(seen);
    }

    /** Runs the method itself. */
    Object proceed() throws Exception {
        return proceed(invocation);
    }

    /** Runs the method itself, as often as it is asked: every subscription is a call of its own. */
    Object proceedAgain() throws Exception {
        Object[] arguments = Suspending.inside(CyclesContext.current(), method.method(), invocation.getArguments());
        return proceed(((ProxyMethodInvocation) invocation).invocableClone(arguments));
    }

    /** What the call cost that answered {@code result}. */
    Amount actual(Object result) {
        return method.actual(seen.returning(result));
    }

    /** Lets the annotation's metadata go with the commit. The work is done: where they fail, they are left out. */
    void addMetadata(CyclesContext context, Object result) {
        Map<String, Object> merged = new LinkedHashMap<>();
        try {
            Object said = method.metadata(seen.returning(result));
            if (said == null) {
                return;
            }
            if (!(said instanceof Map<?, ?> fields)) {
                throw new CyclesValidationError("the metadata is a map, like \"{'request': #id}\"", null);
            }
            fields.forEach((name, value) -> merged.put(String.valueOf(name), value));
        } catch (CyclesValidationError error) {
            LOG.warn("metadata are left out of a commit: " + error.getMessage());
            return;
        }
        if (context.getCommitMetadata() != null) {
            merged.putAll(context.getCommitMetadata());
        }
        context.setCommitMetadata(merged);
    }

    /** A result that is still being worked on must not be settled; the reservation is given back. */
    void refuseUnfinished(Object result) {
        if (Completion.isUnfinished(result)) {
            throw new CyclesValidationError(
                    "@Cycles of " + Names.of(method.method()) + ": the result goes on after the method has returned;"
                            + " declare its type, so that it is settled when it ends type="
                            + result.getClass().getSimpleName(),
                    null);
        }
    }

    private static Object proceed(MethodInvocation invocation) throws Exception {
        try {
            return invocation.proceed();
        } catch (Exception | Error error) {
            throw error;
        } catch (Throwable error) {
            throw new UndeclaredThrowableException(error);
        }
    }
}
