/// Encryption between the processes of a cluster, and the certificates for it.
///
/// [dev.skein.protocol.tls.Encryption] is all that a process needs to know: whether its calls are encrypted, and with
/// which certificate. Whoever listens or dials passes its options through it; with none
/// ([dev.skein.protocol.tls.Encryption#NONE]) they come back as they were, so no caller tells the cases apart.
/// [dev.skein.protocol.tls.TlsFiles] names the three files that it is read from, and hands them on to a process that is
/// started. [dev.skein.protocol.tls.Authority] makes such files.
///
/// It is always mutual: each end shows a certificate of the cluster's authority, for TLS 1.3 and nothing older. Who
/// dials also checks that the certificate names the address that it dialled; who listens takes any of the authority's.
/// What a call may do is still decided by the token that it carries.
///
/// This is here because gateway, scheduler and worker all speak over wires and meet in the protocol alone.
@NullMarked
package dev.skein.protocol.tls;

import org.jspecify.annotations.NullMarked;
