// SPDX-License-Identifier: Apache-2.0
// JavaMail: what all programs here send, see send_test.go.
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import javax.activation.*;
import javax.mail.*;
import javax.mail.internet.*;

public class Send {
    static final Map<String, String> env = System.getenv();

    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.put("mail.smtp.host", env.get("HOST"));
        p.put("mail.smtp.port", env.get("PORT"));
        p.put("mail.smtp.auth", "true");
        p.put("mail.smtp.starttls.required", "true");
        p.put("mail.smtp.ssl.trust", env.get("HOST"));
        p.put("mail.smtp.allow8bitmime", "true");
        Session session = Session.getInstance(p);
        Transport t = session.getTransport("smtp");
        t.connect(env.get("APIKEY"), env.get("SECRET"));

        MimeMessage plain = message(session, "plain by java");
        plain.setText(env.get("PLAIN"), "utf-8");
        send(t, plain, "java-1");

        MimeMessage all = message(session, "Grüße von java");
        MimeMultipart parts = new MimeMultipart();
        MimeBodyPart text = new MimeBodyPart();
        text.setText(new String(Files.readAllBytes(Paths.get(env.get("TEXT"))), StandardCharsets.UTF_8), "utf-8");
        MimeBodyPart file = new MimeBodyPart();
        file.setDataHandler(new DataHandler(new FileDataSource(env.get("ATTACHMENT"))));
        file.setFileName("Anhang ü.bin");
        parts.addBodyPart(text);
        parts.addBodyPart(file);
        all.setContent(parts);
        send(t, all, "java-2", "java-3", "java-4");

        try {
            MimeMessage m = message(session, "refused");
            m.setText("x");
            m.saveChanges();
            t.sendMessage(m, new Address[] {
                new InternetAddress("java-first@example.net"), new InternetAddress("bad..address@@example.net", false) {}});
            System.out.println("a bad address was taken");
        } catch (SendFailedException | AddressException e) {
            System.out.println("refused as it should be: " + e.getMessage());
        }
        MimeMessage after = message(session, "after java");
        after.setText("after");
        send(t, after, "java-after");
        t.close();
    }

    static MimeMessage message(Session session, String subject) throws Exception {
        MimeMessage m = new MimeMessage(session);
        m.setFrom(new InternetAddress("a@example.com", "Jürgen", "windows-1252"));
        m.setRecipients(Message.RecipientType.TO, "java-1@example.net");
        m.setSubject(subject, "utf-8");
        m.setSentDate(new Date());
        return m;
    }

    static void send(Transport t, MimeMessage m, String... to) throws Exception {
        m.saveChanges();
        List<Address> list = new ArrayList<>();
        for (String s : to) list.add(new InternetAddress(s + "@example.net"));
        t.sendMessage(m, list.toArray(new Address[0]));
    }
}
