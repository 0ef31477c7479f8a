import dev.runcycles.Amount;
import dev.runcycles.BudgetExceededError;
import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesOptions;
import java.util.Map;

public class Quickstart {
    static final CyclesClient client = CyclesClient.embedded(Map.of("tenant:acme", Amount.tokens(1000)));

    static String ask(String prompt) throws Exception {
        CyclesOptions options = CyclesOptions.builder(Amount.tokens(600)).action("llm.completion", "gpt-4o").build();
        return client.getBlocking().withCycles(options, answer -> Amount.tokens(420), context ->
            "an answer to " + prompt); // your model call
    }

    public static void main(String[] arguments) throws Exception {
        System.out.println(ask("What is a budget?"));
        try {
            ask("And another one?");
        } catch (BudgetExceededError denied) {
            System.out.println("denied before the model was called");
        }
    }
}
