import java.io.PrintWriter;
import org.junit.platform.engine.discovery.ClassNameFilter;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

/** Runs the tests of dev.skein.compute.cuda; fails if one fails, is skipped, or none is found. */
public final class OnDevice {
    private OnDevice() {}

    public static void main(String[] arguments) {
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectPackage("dev.skein.compute.cuda"))
                .filters(ClassNameFilter.includeClassNamePatterns(".*Test"))
                .build();
        SummaryGeneratingListener listener = new SummaryGeneratingListener();
        LauncherFactory.create().execute(request, listener);
        PrintWriter out = new PrintWriter(System.out, true);
        listener.getSummary().printFailuresTo(out, 20);
        listener.getSummary().printTo(out);
        long passed = listener.getSummary().getTestsSucceededCount();
        System.exit(passed > 0 && passed == listener.getSummary().getTestsFoundCount() ? 0 : 1);
    }
}
