import dev.runcycles.Amount;
import dev.runcycles.AsyncCyclesClient;
import dev.runcycles.BudgetExceededError;
import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesOptions;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/** A hundred calls at once, on a budget for fifty. */
public class AsyncCalls {
    /** Your model's client: it answers a future. */
    static CompletableFuture<String> complete(String prompt) {
        return CompletableFuture.supplyAsync(() -> "an answer to " + prompt);
    }

    public static void main(String[] arguments) {
        try (CyclesClient client = CyclesClient.embedded(Map.of("tenant:acme", Amount.tokens(5000)))) {
            AsyncCyclesClient cycles = client.getAsync();
            CyclesOptions options = CyclesOptions.builder(Amount.tokens(100)).action("llm.completion", "gpt-4o").build();

            List<CompletableFuture<Boolean>> calls = IntStream.range(0, 100)
                .mapToObj(i -> cycles.withCycles(options, context -> complete("prompt " + i))
                    .handle((answer, error) -> {
                        if (error instanceof BudgetExceededError) return false;
                        return answer != null;
                    }))
                .toList();

            long ran = calls.stream().filter(CompletableFuture::join).count();
            System.out.println(ran + " ran, " + (calls.size() - ran) + " were denied");
        }
    }
}
