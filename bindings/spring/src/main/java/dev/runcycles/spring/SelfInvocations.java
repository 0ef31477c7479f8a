package dev.runcycles.spring;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Collectors;
import org.springframework.asm.ClassReader;
import org.springframework.asm.ClassVisitor;
import org.springframework.asm.MethodVisitor;
import org.springframework.asm.Opcodes;
import org.springframework.asm.SpringAsmInfo;
import org.springframework.asm.Type;
import org.springframework.util.ClassUtils;

/** Finds the calls of a class's guarded methods that its own code makes on {@code this}. */
final class SelfInvocations {
    private SelfInvocations() {}

    /** The calls, each as {@code Service.caller -> guarded}; none where the class's bytes cannot be read. */
    static Set<String> of(Class<?> type, Set<Method> guarded) {
        Set<String> signatures = guarded.stream()
                .map(method -> method.getName() + Type.getMethodDescriptor(method))
                .collect(Collectors.toSet());
        Set<String> calls = new LinkedHashSet<>();
        try (InputStream bytes = type.getResourceAsStream(ClassUtils.getClassFileName(type))) {
            if (bytes != null) {
                new ClassReader(bytes).accept(new Calls(type, signatures, calls), ClassReader.SKIP_FRAMES);
            }
        } catch (IOException | IllegalArgumentException unreadable) {
            calls.clear();
        }
        return calls;
    }

    private static final class Calls extends ClassVisitor {
        private final Class<?> type;
        private final Set<String> signatures;
        private final Set<String> calls;

        Calls(Class<?> type, Set<String> signatures, Set<String> calls) {
            super(SpringAsmInfo.ASM_VERSION);
            this.type = type;
            this.signatures = signatures;
            this.calls = calls;
        }

        @Override
        public MethodVisitor visitMethod(
                int access, String caller, String descriptor, String signature, String[] exceptions) {
            // A bridge calls what it bridges to; nobody wrote that call.
            return (access & Opcodes.ACC_BRIDGE) != 0 ? null : new CallsOfOne(caller);
        }

        private final class CallsOfOne extends MethodVisitor {
            private final String caller;
            private boolean sawAnother;

            CallsOfOne(String caller) {
                super(SpringAsmInfo.ASM_VERSION);
                this.caller = caller;
            }

            /** An object of the same class that comes from a field or a cast is taken for the bean's proxy. */
            @Override
            public void visitFieldInsn(int opcode, String owner, String name, String descriptor) {
                sawAnother |= descriptor.equals(Type.getDescriptor(type));
            }

            @Override
            public void visitTypeInsn(int opcode, String name) {
                sawAnother |= opcode == Opcodes.CHECKCAST && name.equals(Type.getInternalName(type));
            }

            @Override
            public void visitMethodInsn(int opcode, String owner, String name, String descriptor, boolean isInterface) {
                if (!owner.equals(Type.getInternalName(type)) || !signatures.contains(name + descriptor)) {
                    return;
                }
                if (!sawAnother) {
                    calls.add(type.getSimpleName() + "." + caller + " -> " + name);
                }
                sawAnother = false;
            }
        }
    }
}
