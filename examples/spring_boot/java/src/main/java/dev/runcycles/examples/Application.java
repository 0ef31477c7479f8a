package dev.runcycles.examples;

import dev.runcycles.BudgetExceededError;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** Asks a guarded service until its budget is used up. */
@SpringBootApplication
public class Application implements CommandLineRunner {
    private final Helpdesk helpdesk;

    Application(Helpdesk helpdesk) {
        this.helpdesk = helpdesk;
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Override
    public void run(String... arguments) {
        System.out.println(helpdesk.answer("What is a budget?", 300).text());
        System.out.println(helpdesk.answerLater("And a reservation?").block().text());
        helpdesk.stream("And a lease?").doOnNext(System.out::print).blockLast();
        System.out.println();
        try {
            helpdesk.answer("And one more?", 900);
        } catch (BudgetExceededError denied) {
            System.out.println("denied before the model was called");
        }
    }
}
