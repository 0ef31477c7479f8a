package dev.runcycles.spring;

import dev.runcycles.Amount;
import dev.runcycles.CyclesUnit;
import dev.runcycles.CyclesValidationError;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;

/** What expressions and prices make of numbers: whole amounts, fractions rounded up. */
final class Amounts {
    private Amounts() {}

    /** The amount that an expression evaluated to, which {@code where} names. */
    static Amount of(String where, Object value, CyclesUnit unit) {
        if (value instanceof Amount amount) {
            return amount;
        }
        if (!(value instanceof Number number)) {
            throw new CyclesValidationError(
                    where + " is no whole number or Amount value=" + value, null);
        }
        try {
            return new Amount(unit, whole(number));
        } catch (ArithmeticException | NumberFormatException error) {
            throw new CyclesValidationError(
                    where + " does not fit into 64 bits value=" + value, error);
        }
    }

    /** The number, rounded up. */
    static long whole(Number number) {
        if (number instanceof Long || number instanceof Integer || number instanceof Short || number instanceof Byte) {
            return number.longValue();
        }
        if (number instanceof BigInteger integer) {
            return integer.longValueExact();
        }
        return new BigDecimal(number.toString()).setScale(0, RoundingMode.CEILING).longValueExact();
    }
}
