package dev.runcycles.spring;

/**
 * Says at run time who spends, for one field of the subject: the bean's name is the field's ({@code tenant},
 * {@code workspace}, {@code app}, {@code workflow}, {@code agent} or {@code toolset}).
 *
 * <p>It is asked where neither the annotation nor {@code cycles.*} says, on the thread that calls the method.
 */
@FunctionalInterface
public interface CyclesFieldResolver {
    /** The field's value; null or blank leaves it out. */
    String resolve();
}
