package dev.runcycles

import com.sun.jna.Platform
import java.io.File
import java.io.IOException
import java.net.URL
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption

/** Loads the native library from where JNA would; called by the generated Java. */
internal object NativeLibrary {
    /**
     * Loads the library [name] from a folder of `jna.library.path`, else from the jar.
     *
     * @throws UnsatisfiedLinkError if it is in neither
     */
    @JvmStatic
    fun load(name: String) {
        val file = System.mapLibraryName(name)
        val found = inFolders(file)
        if (found != null) return System.load(found.path)
        val packed = "${Platform.RESOURCE_PREFIX}/$file"
        val resource = NativeLibrary::class.java.getResource("/$packed")
            ?: throw UnsatisfiedLinkError("Unable to load library '$name': no $packed in the jar")
        if (resource.protocol == "file") System.load(Path.of(resource.toURI()).toString()) else loadUnpacked(resource, file)
    }

    private fun inFolders(file: String): File? = System.getProperty("jna.library.path").orEmpty()
        .split(File.pathSeparator)
        .filter(String::isNotEmpty)
        .map { folder -> File(folder, file).absoluteFile }
        .find(File::isFile)

    private fun loadUnpacked(resource: URL, file: String) {
        val folder = Path.of(System.getProperty("jna.tmpdir") ?: System.getProperty("java.io.tmpdir"))
        val copy = try {
            Files.createTempFile(folder, "runcycles-", "-$file").toFile()
        } catch (unwritable: IOException) {
            throw UnsatisfiedLinkError("Unable to unpack it; name a folder with -Djna.tmpdir: $unwritable")
        }
        try {
            resource.openStream().use { Files.copy(it, copy.toPath(), StandardCopyOption.REPLACE_EXISTING) }
            System.load(copy.path)
        } finally {
            // Windows keeps the file of a loaded library.
            if (!copy.delete()) copy.deleteOnExit()
        }
    }
}
