package dev.skein.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/// The arrows of the design, inside of modules too.
class ArchitectureTest {
    private static final JavaClasses SKEIN = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.skein");

    private static final String GATEWAY = "dev.skein.gateway..";
    private static final String SCHEDULER = "dev.skein.scheduler..";
    private static final String WORKER = "dev.skein.worker..";
    private static final String COMPUTE = "dev.skein.compute..";
    private static final String PROTOCOL = "dev.skein.protocol..";
    private static final String LOADTEST = "dev.skein.loadtest..";
    private static final String COMMAND = "dev.skein.cli..";

    @Test
    void gatewaySchedulerAndWorkerMeetInTheProtocolAlone() {
        noClasses()
                .that()
                .resideInAPackage(GATEWAY)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(SCHEDULER, WORKER, COMPUTE, LOADTEST, COMMAND)
                .check(SKEIN);
        noClasses()
                .that()
                .resideInAPackage(SCHEDULER)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(GATEWAY, WORKER, COMPUTE, LOADTEST, COMMAND)
                .check(SKEIN);
        noClasses()
                .that()
                .resideInAPackage(WORKER)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(GATEWAY, SCHEDULER, LOADTEST, COMMAND)
                .check(SKEIN);
    }

    @Test
    void protocolAndComputeKnowNobody() {
        noClasses()
                .that()
                .resideInAPackage(PROTOCOL)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(GATEWAY, SCHEDULER, WORKER, COMPUTE, LOADTEST, COMMAND)
                .check(SKEIN);
        noClasses()
                .that()
                .resideInAPackage(COMPUTE)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(GATEWAY, SCHEDULER, WORKER, PROTOCOL, LOADTEST, COMMAND)
                .check(SKEIN);
    }

    @Test
    void theLoadTestKnowsNobody() {
        noClasses()
                .that()
                .resideInAPackage(LOADTEST)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(GATEWAY, SCHEDULER, WORKER, COMPUTE, PROTOCOL, COMMAND)
                .check(SKEIN);
    }

    @Test
    void nativeCallsAreMadeInOnePlace() {
        noClasses()
                .that()
                .resideOutsideOfPackage(COMPUTE)
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.lang.foreign.Linker")
                .check(SKEIN);
    }

    @Test
    void hazelcastStaysBehindTheStore() {
        noClasses()
                .that()
                .haveNameNotMatching(
                        "dev\\.skein\\.scheduler\\.(GroupStore|OfflineNode|DeploymentStore|EncryptedNode|EncryptedLink).*")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.hazelcast..")
                .check(SKEIN);
    }

    @Test
    void decisionsAreMadeWithoutThreadsClocksAndSockets() {
        noClasses()
                .that()
                .resideInAnyPackage("dev.skein.scheduler.lifecycle..", "dev.skein.scheduler.agent..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "io.vertx..",
                        "io.netty..",
                        "com.hazelcast..",
                        "java.util.concurrent..",
                        "java.io..",
                        "java.net..",
                        "java.nio..",
                        "java.time..")
                .check(SKEIN);
        noClasses()
                .that()
                .resideInAnyPackage(
                        "dev.skein.loadtest.plan..", "dev.skein.loadtest.measure..", "dev.skein.loadtest.report..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "io.vertx.core.http..", "io.netty..", "java.util.concurrent..", "java.net..", "java.nio.file..")
                .check(SKEIN);
        noClasses()
                .that()
                .haveSimpleName("Planner")
                .or()
                .haveSimpleName("Plan")
                .or()
                .haveSimpleName("BlockPool")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.vertx..", "io.netty..", "java.util.concurrent..", "java.io..", "java.net..")
                .check(SKEIN);
    }

    @Test
    void theTensorsSideKnowsNoText() {
        noClasses()
                .that()
                .resideInAPackage("dev.skein.worker.engine..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.vertx..", PROTOCOL)
                .check(SKEIN);
    }

    @Test
    void noPackagesInCircles() {
        slices().matching("dev.skein.(*)..").should().beFreeOfCycles().check(SKEIN);
    }
}
