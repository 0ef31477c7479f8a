package dev.runcycles;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A process without the native library; it is another one because this one has loaded it. */
class MissingLibraryTest {
    @Test
    void isATypedErrorEveryTime() throws Exception {
        String classes = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        Process process = new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Duniffi.component.runcycles_uniffi.libraryOverride=nowhere",
            "-Djna.library.path=/no/such/folder",
            "-Druncycles.native=" + System.getProperty("runcycles.native"),
            "-cp", classes, MissingLibraryTest.class.getName()).redirectErrorStream(true).start();
        List<String> said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        assertEquals(0, process.waitFor(), said::toString);
        assertEquals(2, said.stream().filter(line -> line.startsWith("typed: ")).count(), said::toString);
        assertTrue(said.get(0).contains("platform="), said::toString);
        assertTrue(said.get(0).contains("/no/such/folder"), said::toString);
        assertTrue(said.get(0).contains("nowhere"), said::toString);
    }

    public static void main(String[] arguments) {
        for (int attempt = 0; attempt < 2; attempt++) {
            try {
                CyclesClient.builder().embedded("keys: []");
            } catch (CyclesConfigError missing) {
                System.out.println("typed: " + missing.getMessage().replace('\n', ' '));
            }
        }
    }
}
